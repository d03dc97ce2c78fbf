"""What `check` found, for people: tables and rendered rows in the terminal, or one static HTML file without scripts.

A row is shown as it is tokenised, the supervised part of it in colour (between ⟦ and ⟧ where there are no colours).
Sessions are hostile until proven otherwise: control characters and changes of writing direction are shown as symbols,
and the page admits nothing but its own style, by hash.
"""

import html
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from callproof.console import visible
from callproof.console.html import source_hash
from callproof.records import replacing
from callproof.sessions import ALIKE

from ..rows.encode import IGNORED, Row
from .check import Example, Found, Report, SplitReport, Tokens

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MOST_SHOWN = 20
"""How many lines the terminal shows of each kind of finding; JSON and HTML have all."""

_PLAIN_WIDTH = 160


class Segment(NamedTuple):
    """A piece of a row's text, and whether the loss looks at it."""

    text: str
    supervised: bool


def segments(row: Row, tokenizer: Any) -> list[Segment]:
    """The text of a row cut where supervision begins and ends; together they are the whole text."""
    offsets = tokenizer(row.text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    cut: list[Segment] = []
    at = 0
    for supervised, group in groupby(zip(offsets, row.labels, strict=True), lambda pair: pair[1] != IGNORED):
        places = [place for place, _ in group]
        if supervised:
            start, end = places[0][0], places[-1][1]
            cut += [Segment(row.text[at:start], False), Segment(row.text[start:end], True)]
            at = end
    return [piece for piece in (*cut, Segment(row.text[at:], False)) if piece.text]


def figures(report: Report) -> Iterator[tuple[str, list[str]]]:
    """Rows of the statistics: a name, and its value in each split."""
    splits = list(report.splits.values())
    yield "sessions", [f"{split.sessions:,}" for split in splits]
    yield "assistant turns", [f"{split.turns:,}" for split in splits]
    for kind in splits[0].responses:
        yield f"  {kind}", [f"{split.responses[kind]:,}" for split in splits]
    yield "turns without a call", [_share(split.no_call_share) for split in splits]
    yield "answers to the user without a call", [f"{split.restraint.turns:,}" for split in splits]
    yield "  in sessions", [f"{split.restraint.sessions:,}" for split in splits]
    yield "calls", [f"{sum(split.calls.values()):,}" for split in splits]
    for name in sorted({name for split in splits for name in split.calls}):
        yield f"  {name}", [f"{split.calls.get(name, 0):,}" for split in splits]
    if not report.no_tokens:
        yield from _token_figures(splits)
    yield "dropped sessions", [f"{len(split.dropped):,}" for split in splits]


def _token_figures(splits: list[SplitReport]) -> Iterator[tuple[str, list[str]]]:
    by_split = [split.tokens for split in splits]
    yield "rows", [f"{tokens.rows:,}" if tokens else "–" for tokens in by_split]
    yield "tokens", [f"{tokens.total:,}" if tokens else "–" for tokens in by_split]
    yield "  supervised", [f"{tokens.supervised:,}" if tokens else "–" for tokens in by_split]
    yield "  mean row", [f"{tokens.total / tokens.rows:,.0f}" if tokens and tokens.rows else "–" for tokens in by_split]
    for percent, name in ((50, "median row"), (90, "90 % of rows up to"), (99, "99 % up to"), (100, "longest row")):
        yield f"  {name}", [_percentile(tokens, percent) for tokens in by_split]


def _percentile(tokens: Tokens | None, percent: int) -> str:
    return f"{tokens.percentiles[percent]:,}" if tokens and tokens.percentiles else "–"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def findings(report: Report) -> Iterator[tuple[str, list[str]]]:
    """(kind of finding, its lines) for each kind of which there are any."""
    splits = report.splits
    kinds = {
        "gold calls that their schema rejects": [line for split in splits.values() for line in split.rejected],
        f"eval sessions that are nearly training sessions (similarity {ALIKE} or more)": [
            f"{pair.session_id} is like {pair.like} ({pair.similarity:.2f})" for pair in report.leaks
        ],
        f"training sessions that are nearly earlier ones (similarity {ALIKE} or more)": [
            f"{pair.session_id} is like {pair.like} ({pair.similarity:.2f})" for pair in report.duplicates
        ],
        "catalogs that no call fits": [f"{name}: {line}" for name, split in splits.items() for line in split.misfits],
        "sessions that the chat template cannot write": [
            line for split in splits.values() for line in split.unrenderable
        ],
        "tools that no training session calls": list(report.never_called),
        "little restraint in training": [
            split.restraint.doubt for name, split in splits.items() if name == "train" and split.restraint.doubt
        ],
        "sessions dropped": [
            f"{name}: {session.session_id} ({session.reason})"
            for name, split in splits.items()
            for session in split.dropped
        ],
        "prompts with an invented date (prompt.date_line, and the session has none)": [
            f"{name}: {split.invented_dates:,} of {split.sessions:,} sessions"
            for name, split in splits.items()
            if split.invented_dates
        ],
        "rows that repeat their history": [
            f"{name}: {split.many_rows.sentence()}" for name, split in splits.items() if split.many_rows
        ],
        "eval sessions with an answer that evaluation would cut": [
            line for split in splits.values() for line in split.cut_answers
        ],
        "no figures in tokens": [report.no_tokens] if report.no_tokens else [],
        "this would spoil the training": report.spoiled,
    }
    for kind, lines in kinds.items():
        if lines:
            yield kind, [visible(line) for line in lines]


def _widen(console: "Console") -> None:
    """Lines of a file or a pipe have room for a place and its figures."""
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH


def print_report(report: Report, console: "Console") -> None:
    _widen(console)
    console.print(_table(report))
    for kind, lines in findings(report):
        console.print(f"{kind}: {len(lines)}", style="bold", markup=False, highlight=False)
        for line in lines[:MOST_SHOWN]:
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
        if len(lines) > MOST_SHOWN:
            console.print(f"  and {len(lines) - MOST_SHOWN} more, in the JSON")


def _table(report: Report) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(Text(report.name))
    for name in report.splits:
        table.add_column(name, justify="right")
    for name, values in figures(report):
        table.add_row(Text(visible(name)), *values)
    return table


def print_examples(examples: list[Example], tokenizer: Any, console: "Console") -> None:
    """Each row whole; what the model learns to say is green."""
    from rich.text import Text

    _widen(console)
    for example in examples:
        console.rule(Text(visible(_title(example))))
        text = Text()
        for piece in segments(example.row, tokenizer):
            printed = visible(piece.text)
            if piece.supervised and console.color_system is None:
                printed = f"⟦{printed}⟧"
            text.append(printed, style="bold green" if piece.supervised else "dim")
        console.print(text, soft_wrap=True)


def _title(example: Example) -> str:
    row = example.row
    return f"{example.session_id} ({example.where}): {len(row.input_ids):,} tokens, {row.supervised:,} supervised"


_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem 1rem .15rem 0; text-align: right; border-bottom: 1px solid #8884; white-space: pre; }
th:first-child, td:first-child { text-align: left; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 1rem; border: 1px solid #8886; border-radius: 6px; }
mark { background: #2a92; color: inherit; outline: 1px solid #2a98; border-radius: 2px; }
"""


def write_html(path: Path, checked: Found, tokenizer: Any) -> None:
    """Write one static file with the whole report and the examples.

    Raises:
        UserError: it cannot be written.
    """
    with replacing(path) as file:
        file.write(_page(checked, tokenizer).encode())


def _page(checked: Found, tokenizer: Any) -> str:
    report, name = checked.report, html.escape(checked.report.name)
    heads = "".join(f"<th>{html.escape(split)}</th>" for split in report.splits)
    rows = "".join(_html_row(label, values) for label, values in figures(report))
    lists = "".join(_html_list(kind, lines) for kind, lines in findings(report))
    examples = "".join(_html_example(example, tokenizer) for example in checked.examples)
    policy = f"default-src 'none'; style-src {source_hash(_STYLE)}; base-uri 'none'; form-action 'none'"
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{name}: training data</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{name}: training data</h1>\n"
        f"<table><thead><tr><th></th>{heads}</tr></thead><tbody>{rows}</tbody></table>\n{lists}\n"
        f"<h2>Rows as they are tokenised; what is marked is learnt</h2>\n{examples}\n</body>\n</html>\n"
    )


def _html_row(label: str, values: list[str]) -> str:
    cells = "".join(f"<td>{html.escape(value)}</td>" for value in values)
    return f"<tr><td>{html.escape(visible(label))}</td>{cells}</tr>\n"


def _html_list(kind: str, lines: list[str]) -> str:
    items = "".join(f"<li>{html.escape(line)}</li>\n" for line in lines)
    return f"<h2>{html.escape(kind)}: {len(lines)}</h2>\n<ul>\n{items}</ul>\n"


def _html_example(example: Example, tokenizer: Any) -> str:
    pieces = [
        f"<mark>{html.escape(visible(piece.text))}</mark>" if piece.supervised else html.escape(visible(piece.text))
        for piece in segments(example.row, tokenizer)
    ]
    return f"<h3>{html.escape(visible(_title(example)))}</h3>\n<pre>{''.join(pieces)}</pre>\n"
