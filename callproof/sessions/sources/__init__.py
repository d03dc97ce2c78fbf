"""Where records come from."""

from .files import Found, Reader, find_files, is_dataset, read_records
from .json_text import MAX_RECORD
from .tables import refuse_structs

__all__ = ["MAX_RECORD", "Found", "Reader", "find_files", "is_dataset", "read_records", "refuse_structs"]
