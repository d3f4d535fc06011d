"""The conformance kit: subclass one suite for each thing that you build, and inherit its tests.

Needs pytest and hypothesis: `pip install blocks-core[testing]`.
"""

from blocks_core.testing.block_suite import BlockSuite, secrets_of, shown
from blocks_core.testing.docs_suite import DocsSuite
from blocks_core.testing.key_provider_suite import KeyProviderSuite
from blocks_core.testing.memory import MemoryRegistry, memory_library
from blocks_core.testing.models import generated_blocks
from blocks_core.testing.registry_suite import RegistrySuite

__all__ = [
    "BlockSuite",
    "DocsSuite",
    "KeyProviderSuite",
    "MemoryRegistry",
    "RegistrySuite",
    "generated_blocks",
    "memory_library",
    "secrets_of",
    "shown",
]
