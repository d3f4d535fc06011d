"""What counts as a secret, and how its value is reached.

Source: pydantic's secret types (https://docs.pydantic.dev/latest/api/types/#pydantic.types.SecretStr).
"""

from __future__ import annotations

from typing import Any, TypeGuard

from pydantic import Secret, SecretBytes, SecretStr


def is_secret(value: object) -> TypeGuard[SecretStr | SecretBytes | Secret[Any]]:
    """Tell whether a value is a secret, whatever its field's type says."""
    return isinstance(value, (SecretStr, SecretBytes, Secret))
