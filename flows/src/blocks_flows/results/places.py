"""`S3Result`, `GCSResult`, `AzureResult` and `LocalResult`: a storage and a path in one, as older programs do.

    @task(result=S3Result(bucket="results", location="{task_name}/{day}.result"))

    S3Result(bucket="results").read(location="2021/10/4/….result").value

The storage block is made when it is needed, so that flows import no plugin.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from pydantic import SecretStr

from blocks_core.block import Block
from blocks_core.capabilities import Credentials, Storage
from blocks_core.catalog import Catalog
from blocks_core.errors import BlockTypeNotFound, PackageMissing
from blocks_core.mask import SECRETS_IN_USE
from blocks_flows.errors import ResultPathInvalid
from blocks_flows.results.files import open_result, write_result
from blocks_registry.settings import Settings

_AZURE_VARIABLE: Final = "AZURE_STORAGE_CONNECTION_STRING"


class ResultPlace:
    """Where results go; after `read` and `write`, a result as well: `value`."""

    slug: ClassVar[str]
    plugin: ClassVar[str]

    def __init__(self, fields: Mapping[str, Any], location: str | None) -> None:
        self.location = location
        """A path, or a template of one; None is a path of its own for each result."""
        self.value: Any = None
        self._fields = {name: value for name, value in fields.items() if value is not None}
        self._storage: Storage | None = None

    @property
    def storage(self) -> Storage:
        """Return the storage block, made at first use.

        Raises:  PackageMissing: its plugin is not installed; BlockInvalid; what loading credentials raises.
        """
        if self._storage is None:
            self._storage = make_storage(self.slug, self.plugin, self._complete(self._fields))
        return self._storage

    def read(self, location: str | None = None) -> Self:
        """Return the result at a location, its value read.

        Raises:  PathNotFound, StorageFailed, ResultInvalid.
        """
        path = self._path(location)
        return self._with(path, open_result(self.storage, path).value())

    def write(self, value: Any, location: str | None = None, *, serializer: str | None = None) -> Self:
        """Keep a value and return its result, `location` included.

        Raises:  ResultNotStorable, StorageFailed.
        """
        path = location or self.location
        return self._with(
            write_result(self.storage, value, serializer=serializer, path=path and self._path(path)).path,
            value,
        )

    def exists(self, location: str | None = None) -> bool:
        """Tell whether there is a file at a location.

        Raises:  StorageFailed.
        """
        return self.storage.exists(self._path(location))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {SECRETS_IN_USE.hide(repr(self.value))}>"

    def _complete(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of the storage block, what is loaded for them included."""
        given = fields.get("credentials")
        return {**fields, **({"credentials": Credentials.load(given)} if isinstance(given, str) else {})}

    def _path(self, location: str | None) -> str:
        path = location or self.location
        if path is None or "{" in path:
            raise ResultPathInvalid(
                f"{type(self).__name__} has {'no location' if path is None else 'a template as its location'}. "
                f"Give the path of one result: location='2021/10/4/….result'."
            )
        return path

    def _with(self, location: str, value: Any) -> Self:
        twin = copy.copy(self)
        twin.location, twin.value = location, value
        return twin


class _BucketResult(ResultPlace):
    def __init__(
        self,
        bucket: str,
        *,
        location: str | None = None,
        prefix: str | None = None,
        credentials: Block | str | None = None,
    ) -> None:
        super().__init__({"bucket": bucket, "prefix": prefix, "credentials": credentials}, location)


class S3Result(_BucketResult):
    """Results in a bucket of Amazon S3.

    Args:    credentials: a block of the type aws-credentials or the address of one; None is AWS's own chain.
             prefix: put before every path.
    """

    slug, plugin = "s3", "blocks-aws"


class GCSResult(_BucketResult):
    """Results in a bucket of Google Cloud Storage.

    Args:    credentials: a block of the type gcp-credentials or the address of one; None is Google's own chain.
             prefix: put before every path.
    """

    slug, plugin = "gcs", "blocks-gcp"


class AzureResult(ResultPlace):
    """Results in a container of Azure Blob Storage.

    Args:    credentials: a block of the type azure-credentials or the address of one.
             connection_string: instead of them; without both, the variable AZURE_STORAGE_CONNECTION_STRING.
             prefix: put before every path.
    """

    slug, plugin = "azure", "blocks-azure"

    def __init__(
        self,
        container: str,
        *,
        location: str | None = None,
        prefix: str | None = None,
        credentials: Block | str | None = None,
        connection_string: str | SecretStr | None = None,
    ) -> None:
        super().__init__({"container": container, "prefix": prefix, "credentials": credentials}, location)
        given = connection_string
        self._connection_string = SecretStr(given) if isinstance(given, str) else given

    def _complete(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        found = super()._complete(fields)
        if "credentials" not in found:
            given = self._connection_string or SecretStr(os.environ.get(_AZURE_VARIABLE, ""))
            if not given.get_secret_value():
                raise ResultPathInvalid(
                    f"AzureResult is given no credentials. Give credentials='azure-credentials/NAME' or a "
                    f"connection_string, or set {_AZURE_VARIABLE}."
                )
            found["credentials"] = _make("azure-credentials", self.plugin, {"connection_string": given})
        return found


class LocalResult(ResultPlace):
    """Results in a folder of this machine.

    Args:    dir: None is the folder `results` in the Blocks home, `~/.blocks` by default.
    """

    slug, plugin = "local-file-system", "blocks-standard"

    def __init__(self, dir: str | os.PathLike[str] | None = None, *, location: str | None = None) -> None:  # noqa: A002 - as older programs write it
        super().__init__(
            {"base_path": None if dir is None else str(Path(dir).expanduser().absolute())}, location
        )

    def _complete(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {"base_path": str(Settings.from_environment().home.absolute() / "results"), **fields}


class DefaultResult(LocalResult):
    """Where a value is kept that is to be found again, when nobody says where."""


def load_storage(given: Storage | ResultPlace | str) -> Storage:
    """Return a storage block: the given one, that of a place, or the one saved under an address such as `s3/results`.

    Raises:  BlockNotFound and what else `Storage.load` raises.
    """
    if isinstance(given, str):
        return Storage.load(given)
    return given.storage if isinstance(given, ResultPlace) else given


def make_storage(slug: str, plugin: str, fields: Mapping[str, Any]) -> Storage:
    """Make a storage block of a type that a plugin offers.

    Raises:  PackageMissing, BlockInvalid.
    """
    made = _make(slug, plugin, fields)
    assert isinstance(made, Storage)
    return made


def _make(slug: str, plugin: str, fields: Mapping[str, Any]) -> Block:
    try:
        return Catalog().find(slug)(**fields)
    except BlockTypeNotFound as error:
        raise PackageMissing(
            f"Results are to be kept by a block of the type '{slug}', and the plugin {plugin} is not installed: "
            f"pip install {plugin}; or name another storage (result_storage)."
        ) from error
