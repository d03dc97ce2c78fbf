"""Which tools there are: JSON Schema catalogs, what is wrong with a call, and when two values are equal."""

from .assignment import assign
from .catalog import BadCatalog, Catalog, Tool, Validity, read_catalog, usable_catalog
from .equality import (
    DIFFERENT,
    EQUAL,
    OMITTED,
    RELAXED,
    Difference,
    Shape,
    compare,
    differing,
    effective,
    is_number,
    shown,
)
from .patterns import BadPattern, TooCostly, search

__all__ = [
    "DIFFERENT",
    "EQUAL",
    "OMITTED",
    "RELAXED",
    "BadCatalog",
    "BadPattern",
    "Catalog",
    "Difference",
    "Shape",
    "TooCostly",
    "Tool",
    "Validity",
    "assign",
    "compare",
    "differing",
    "effective",
    "is_number",
    "read_catalog",
    "search",
    "shown",
    "usable_catalog",
]
