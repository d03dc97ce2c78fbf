"""Importers: data recorded by other tools becomes tool-eval turns, and saved answers to them.

`bfcl` reads the questions and possible answers of the Berkeley Function-Calling Leaderboard, and joined rows of its
results; `openai_log` reads requests and responses as proxies log them; `turns_file` lints the gold and writes.
"""
