"""Where records come from."""

from .datasets import is_dataset
from .files import Found, Reader, dataset_record, find_files, read_records
from .json_text import MAX_RECORD
from .tables import Unfilled

__all__ = [
    "MAX_RECORD",
    "Found",
    "Reader",
    "Unfilled",
    "dataset_record",
    "find_files",
    "is_dataset",
    "read_records",
]
