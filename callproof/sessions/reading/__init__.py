"""How the pieces of a record are read: calls, results, tools, and values that are written as text."""
