"""Results: what tasks return, kept in a storage block."""

from blocks_flows.results.collecting import Collected, collect_expired
from blocks_flows.results.files import (
    Header,
    ResultFile,
    StoredResult,
    open_result,
    read_header,
    read_result,
    stored_at,
    write_result,
)
from blocks_flows.results.paths import fill_in
from blocks_flows.results.places import (
    AzureResult,
    DefaultResult,
    GCSResult,
    LocalResult,
    ResultPlace,
    S3Result,
    load_storage,
)
from blocks_flows.results.recorded import read_recorded

__all__ = [
    "AzureResult",
    "Collected",
    "DefaultResult",
    "GCSResult",
    "Header",
    "LocalResult",
    "ResultFile",
    "ResultPlace",
    "S3Result",
    "StoredResult",
    "collect_expired",
    "fill_in",
    "load_storage",
    "open_result",
    "read_header",
    "read_recorded",
    "read_result",
    "stored_at",
    "write_result",
]
