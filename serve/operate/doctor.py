"""`serve doctor`: run every check on a running server, and show the results as a table and as JSON."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from callproof.config import RunConfig
from callproof.endpoint import Endpoint, probe
from callproof.errors import EXIT_INVALID, EXIT_PASS, EXIT_REGRESSION, UserError
from callproof.records import Record
from callproof.turns import readable_format

from .checks import CHECKS, Finding, run_check
from .subject import Subject, pool

if TYPE_CHECKING:
    from rich.table import Table

SIGNS = {"ok": "[green]ok[/]", "failed": "[red]failed[/]", "unknown": "[yellow]unknown[/]"}


class Diagnosis(Record):
    """The findings of all checks. `error` says why the endpoint could not be reached, if it could not."""

    endpoint: str
    models: tuple[str, ...]
    findings: tuple[Finding, ...]
    error: str | None = None

    @property
    def exit_code(self) -> int:
        if self.error:
            return EXIT_INVALID
        return EXIT_REGRESSION if any(finding.status == "failed" for finding in self.findings) else EXIT_PASS


async def diagnose(
    url: str, configs: Sequence[RunConfig], adapters: Sequence[str], turns: int, progress: Callable[[str], None]
) -> Diagnosis:
    """Run every check.

    Args:
        url: of the server.
        configs: give the eval turns to send; the first one also names the base and its limits.
        adapters: served names of the adapters to check.
        turns: how many eval turns each model gets.
        progress: called with a line before each check.

    Raises:
        UserError: the configurations' data cannot be read, the format of calls is unknown, or `url` is no URL.
    """
    lead = configs[0]
    sample_turns = pool(configs, turns)
    findings: list[Finding] = []
    error = None
    async with Endpoint.of(url, lead.eval) as endpoint:
        format = readable_format(lead)
        limits = (lead.serve.max_model_len, lead.eval.max_tokens)
        base = lead.model.served_name
        try:
            asked = dict.fromkeys((base, *adapters), sample_turns)
            server = await probe(endpoint, asked, format, max_tokens=lead.eval.max_tokens, temperature=0.0)
            progress(f"{server.url}: {server.words}")
            subject = Subject(endpoint, base, adapters, sample_turns, *limits, format, server)
            for check in CHECKS:
                progress(f"{check.__name__} ...")
                findings.append(await run_check(check, subject))
        except UserError as refused:
            error = str(refused)
    return Diagnosis(endpoint=endpoint.root, models=(base, *adapters), findings=tuple(findings), error=error)


def show(diagnosis: Diagnosis) -> None:
    """Print the table to stderr, and the error if the endpoint could not be reached."""
    from rich.console import Console

    Console(stderr=True, soft_wrap=True).print(_table(diagnosis))
    if diagnosis.error:
        print(f"error: {diagnosis.error}", file=sys.stderr)


def _table(diagnosis: Diagnosis) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{escape(diagnosis.endpoint)}: {escape(', '.join(diagnosis.models))}", title_justify="left")
    for column in ("check", "", "what was seen"):
        table.add_column(column, overflow="fold")
    for finding in diagnosis.findings:
        table.add_row(finding.check.replace("_", " "), SIGNS[finding.status], escape(finding.seen))
    return table
