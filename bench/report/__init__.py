"""Writes a bench as JSON, as tables and as one HTML page."""

from .files import publish, stamped, writable
from .report import CPU_NOTE, SCHEMA_VERSION, detect_device, device_of, make_report, note_of, sampling, versions
from .table import print_overhead

__all__ = [
    "CPU_NOTE",
    "SCHEMA_VERSION",
    "detect_device",
    "device_of",
    "make_report",
    "note_of",
    "print_overhead",
    "publish",
    "sampling",
    "stamped",
    "versions",
    "writable",
]
