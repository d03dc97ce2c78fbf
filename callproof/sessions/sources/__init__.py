"""Where records come from."""

from .files import MAX_RECORD, Found, Reader, find_files, is_dataset, read_records

__all__ = ["MAX_RECORD", "Found", "Reader", "find_files", "is_dataset", "read_records"]
