"""A way over: configurations of other systems as callproof's own, with a word on every key (docs/howto/migrate.md).

`rules` says what a key becomes; `seeds` and `others` are the tables, `arguments` those of transformers' training
arguments; `translate` reads the files and applies them, `write` makes the YAML and the table for people.
"""

from .translate import migrate
from .write import as_table, as_yaml, nested

__all__ = ["as_table", "as_yaml", "migrate", "nested"]
