"""Where records come from."""

from .datasets import is_dataset
from .files import Beside, Found, Raw, RawReader, Reader, dataset_record, find_files, opened, read_raw, read_records
from .json_text import MAX_RECORD
from .tables import Unfilled

__all__ = [
    "MAX_RECORD",
    "Beside",
    "Found",
    "Raw",
    "RawReader",
    "Reader",
    "Unfilled",
    "dataset_record",
    "find_files",
    "is_dataset",
    "opened",
    "read_raw",
    "read_records",
]
