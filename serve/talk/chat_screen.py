"""Prints the conversation to stderr, and reads lines from a keyboard or a pipe.

All text passes through `visible`, so that no control character of a model, tool or server reaches the terminal.
"""

import io
import json
import sys
from typing import Any

from callproof.console import visible

from .reading import Judged, Reading

VERDICT_STYLES = {"valid": "green", "unchecked": "yellow", "invalid": "red", "unknown tool": "red", "malformed": "red"}


class Screen:
    """Prints to stderr, in colours if that is a terminal."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)

    def line(self, text: str = "", style: str = "") -> None:
        self.piece(text + "\n", style)

    def piece(self, text: str, style: str = "") -> None:
        """Print text without a line end."""
        from rich.text import Text

        self._console.print(Text(visible(text), style=style), end="")
        self._console.file.flush()


class AnswerView:
    """Prints one answer as it grows: call `update` with the reading so far, and `finish` with the whole one."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._thinking = self._text = self._arguments = ""
        self._name_shown, self._calls, self._mid_line = False, 0, False

    def update(self, reading: Reading) -> None:
        self._thinking = self._grow(self._thinking, reading.thinking, "dim italic")
        self._text = self._grow(self._text, reading.text, "")
        self._show_calls(reading.calls)
        if reading.forming and reading.forming.name is not None:
            if not self._name_shown:
                self._start_line()
                self._piece(f"calls {reading.forming.name} ", "dim")
                self._name_shown = True
            self._arguments = self._grow(self._arguments, reading.forming.arguments, "dim", joined=True)

    def finish(self, reading: Reading) -> None:
        self.update(reading)
        self._start_line()

    def _show_calls(self, calls: tuple[Judged, ...]) -> None:
        for call in calls[self._calls :]:
            self._start_line()
            self._name_shown, self._arguments = False, ""
            self._show(call)
        self._calls = len(calls)

    def _show(self, call: Judged) -> None:
        verdict = f"{call.verdict}: {'; '.join(call.problems)}" if call.problems else call.verdict
        self._screen.piece(f"call {call.name or '(malformed)'}: ", "bold")
        self._screen.line(verdict, VERDICT_STYLES[call.verdict])
        self._screen.line("\n".join(f"  {line}" for line in call.text.split("\n")))

    def _grow(self, before: str, now: str, style: str, joined: bool = False) -> str:
        """Print what `now` adds to `before`, and return the text printed so far.

        The first piece starts a new line unless it is `joined` to the current one.
        """
        if len(now) > len(before):
            if not before and not joined:
                self._start_line()
            self._piece(now[len(before) :], style)
            return now
        return before

    def _piece(self, text: str, style: str) -> None:
        self._screen.piece(text, style)
        self._mid_line = not text.endswith("\n")

    def _start_line(self) -> None:
        if self._mid_line:
            self._screen.line()
        self._mid_line = False


class Lines:
    """Reads the user's lines, with line editing on a terminal."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.interactive = sys.stdin.isatty()
        self._edited = self.interactive and sys.stdout.isatty()
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")
        if self._edited:
            import readline  # noqa: F401 # input() edits lines with it

    def read(self, prompt: str) -> str | None:
        """The next line, or None at the end of the input."""
        if self._edited:
            try:
                return input(visible(prompt))
            except EOFError:
                return None
        self._screen.piece(prompt)
        line = sys.stdin.readline()
        if not self.interactive:
            self._screen.line(line.rstrip("\n") if line else "(end of input)")
        return line.rstrip("\n") if line else None

    def read_result(self, first: str) -> str:
        """Read a tool's result whose first line is `first`.

        JSON may span several lines; reading stops when it is complete or at an empty line. It is returned as one line,
        as recorded sessions have it. Anything else is returned unchanged.
        """
        text = first
        while (state := _json_state(text)) == "open":
            line = self.read("... ")
            if not line:
                break
            text += "\n" + line
        return json.dumps(json.loads(text), ensure_ascii=False) if state == "whole" and text != first else text


def _json_state(text: str) -> str:
    """`whole` for a complete JSON object or array, `open` for the beginning of one, `no` for any other text."""
    try:
        value: Any = json.loads(text)
    except json.JSONDecodeError as error:
        goes_on = text.lstrip().startswith(("{", "[")) and error.pos >= len(text.rstrip())
        return "open" if goes_on else "no"
    except (ValueError, RecursionError):
        return "no"
    return "whole" if isinstance(value, dict | list) else "no"
