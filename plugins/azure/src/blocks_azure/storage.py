"""`Azure`: files in a container of Azure Blob Storage or Azure Data Lake."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator

from blocks_azure.credentials import AzureCredentials
from blocks_azure.reasons import BlobsError, why_failed
from blocks_core.errors import StorageFailed
from blocks_core.storage import FileSystemStorage
from blocks_core.storage_fields import Prefix

_CONTAINER = re.compile(r"\$root|\$web|\$logs|[a-z0-9](?:-?[a-z0-9]){2,62}")


class Azure(FileSystemStorage, slug="azure", title="Azure"):
    """Files in a container of Azure Data Lake or Azure Blob Storage.

    A write replaces a blob whole, in one request up to 32 MB and in blocks above that, which count when the
    last one is there. All blocks of a process with the same credentials share their connections.

    ```python
    from blocks_azure import Azure, AzureCredentials

    account = AzureCredentials(account_name="rawdata", account_key="aHVudGVyMg==")
    files = Azure(container="raw-data", prefix="2026", credentials=account)
    files.write("january/a.csv", b"1,2")  # az://raw-data/2026/january/a.csv
    files.save("raw-data")
    ```
    """

    container: str = Field(
        min_length=1, description="Name of the container; in Data Lake it is called file system."
    )
    prefix: Prefix = Field(default="", description="Put before every path.")
    credentials: AzureCredentials = Field(description="Who asks, and which account is asked.")
    timeout_seconds: float = Field(
        default=15.0, gt=0, le=3600, description="How long to wait for a connection, and for each answer."
    )

    @field_validator("container")
    @classmethod
    def _is_a_container(cls, container: str) -> str:
        if "://" in container or "/" in container:
            raise ValueError(
                "Give the container's name alone, such as 'raw-data'; a folder in it goes into prefix, the account "
                "into the credentials."
            )
        if not _CONTAINER.fullmatch(container):
            raise ValueError(
                "Azure's containers have names of 3 to 63 lower-case letters, digits and single hyphens between "
                "them, such as 'raw-data'."
            )
        return container

    def _filesystem(self) -> Any:
        from blocks_azure.connection import open_blobs  # late: it imports Azure's packages

        return open_blobs(self.credentials, self.container, self.timeout_seconds)

    def _expect_file(self, full: str) -> None:
        """Ask nothing: Azure says itself that a file is not there."""

    def _root(self) -> str:
        return self.prefix

    def _location_prefix(self) -> str:
        return f"az://{self.container}/{self.prefix}" if self.prefix else f"az://{self.container}"

    def _translate(self, error: Exception, location: str) -> StorageFailed:
        if isinstance(error, BlobsError):
            return StorageFailed(f"{location}: {why_failed(error, self.container)}")
        return super()._translate(error, location)
