"""Typed blocks of configuration and credentials, with secrets encrypted at rest.

class S3(Storage, slug="s3"):
    bucket: str

S3(bucket="raw").save("raw-data")
S3.load("raw-data")
"""

from blocks_core.block import Block, Saved, TypeInfo
from blocks_core.capabilities import (
    ContainerRegistry,
    Credentials,
    Infrastructure,
    Notifier,
    ReadableStorage,
    RegistryLogin,
    SecretSource,
    Storage,
    StoredFile,
)
from blocks_core.checks import CheckReport, CheckResult
from blocks_core.current import current_library, use_library
from blocks_core.errors import BlocksError
from blocks_core.jobs import Job, JobEnd, JobHandle, Resources
from blocks_core.messages import Message
from blocks_core.secret import SecretBytesRef, SecretRef
from blocks_core.upgrading import upgrades

__all__ = [
    "Block",
    "BlocksError",
    "CheckReport",
    "CheckResult",
    "ContainerRegistry",
    "Credentials",
    "Infrastructure",
    "Job",
    "JobEnd",
    "JobHandle",
    "Message",
    "Notifier",
    "ReadableStorage",
    "RegistryLogin",
    "Resources",
    "Saved",
    "SecretBytesRef",
    "SecretRef",
    "SecretSource",
    "Storage",
    "StoredFile",
    "TypeInfo",
    "current_library",
    "upgrades",
    "use_library",
]
