"""`serve chat`: reads lines and commands of the user and prints answers of the model, until the input ends."""

import asyncio
import difflib
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from callproof.endpoint import served_name
from callproof.errors import EXIT_INTERRUPTED, EXIT_INVALID, EXIT_PASS, UserError
from callproof.scoring import Channel

from .answerer import Answerer, Said
from .chat import Chat, Sampling, save
from .chat_screen import AnswerView, Lines, Screen

HELP = """\
/model NAME    continue with another served model; the conversation stays
/models        list the served models
/result TEXT   give the result of the call that waits, or of the first one that was skipped
/retry         drop the last answer and ask again (after /model: ask another model the same question)
/undo          drop your last message and everything after it
/reset         start a new conversation
/save FILE     add the conversation to a .jsonl file of sessions
/quit          end, as Ctrl-D does; Ctrl-C stops an answer and keeps what has arrived
After a call, the next line (or JSON over several lines) is its result; an empty line skips the call."""
COMMANDS = ("help", "model", "models", "result", "retry", "undo", "reset", "save", "quit")
"""Each one is a method `do_<command>` of `Conversing`."""


def new_session_id() -> str:
    return f"chat-{uuid4().hex[:12]}"


class Conversing:
    """One run of `serve chat`.

    Args:
        begin: makes an empty conversation with a given session id.
        model: the served name to ask first.
        session_id: used for every conversation; None: each gets a new one.
    """

    def __init__(
        self,
        begin: Callable[[str], Chat],
        answerer: Answerer,
        runner: asyncio.Runner,
        model: str,
        sampling: Sampling,
        session_id: str | None,
        channel: Channel = "raw",
    ) -> None:
        self._channel: Channel = channel
        self._begin, self._session_id = begin, session_id
        self._answerer, self._runner, self._sampling = answerer, runner, sampling
        self._model, self._seed = model, 0
        self._screen = Screen()
        self._lines = Lines(self._screen)
        self._chat = begin(session_id or new_session_id())
        self._saved: Path | None = None
        self._saved_line: bytes | None = None
        self._ended = self._unanswered = False

    def run(self) -> int:
        """Converse until the input ends; returns the exit code."""
        tools = len(self._chat.catalog.tools)
        self._screen.line(
            f"{self._model} at {self._answerer.root}, session {self._chat.session_id}, {tools} tools; /help"
        )
        while not self._ended:
            try:
                line = self._lines.read(self._prompt)
            except KeyboardInterrupt:
                if not self._lines.interactive:
                    return EXIT_INTERRUPTED
                self._screen.line("\nCtrl-D or /quit ends")
                continue
            if line is None:
                break
            self._take(line)
        return EXIT_INVALID if self._unanswered else EXIT_PASS

    def summary(self) -> dict[str, Any]:
        """Counts of the conversation as it stands, for scripts."""
        return {
            "model": self._model,
            "messages": len(self._chat.messages),
            "calls": len(self._chat.calls),
            "invalid": sum(call.verdict not in ("valid", "unchecked") for call in self._chat.calls),
            "saved": str(self._saved) if self._saved else None,
        }

    @property
    def _prompt(self) -> str:
        waiting = self._chat.waiting
        return f"result of {waiting.name}> " if waiting else f"{self._model}> "

    def _take(self, line: str) -> None:
        try:
            if line.startswith("/"):
                self._command(line)
            elif self._chat.waiting:
                self.do_result(line)
            elif line.strip():
                self._chat.say(line)
                self._seed = 0
                self._ask()
        except UserError as error:
            self._screen.line(str(error), "red")

    def _command(self, line: str) -> None:
        word, _, rest = line[1:].partition(" ")
        if word not in COMMANDS:
            near = difflib.get_close_matches(word, COMMANDS, n=1)
            raise UserError(f"/{word}", "unknown command", f"did you mean /{near[0]}?" if near else "see /help")
        getattr(self, f"do_{word}")(rest.strip())

    def do_help(self, _: str) -> None:
        self._screen.line(HELP)

    def _model_names(self) -> list[str]:
        return self._runner.run(self._answerer.models())

    def do_models(self, _: str) -> None:
        for name in self._model_names():
            self._screen.line(f"{'*' if name == self._model else ' '} {name}")

    def do_model(self, name: str) -> None:
        if not name:
            raise UserError("/model", "expected a name", "see /models")
        self._model = served_name(name, self._model_names(), f"/model {name}", self._answerer.root)

    def do_result(self, text: str) -> None:
        if text.strip():
            self._chat.result(self._lines.read_result(text))
        else:
            self._chat.skip()
        if self._chat.wants_answer:
            self._ask()

    def do_retry(self, _: str) -> None:
        self._chat.drop_answer()
        self._seed += 1
        self._ask()

    def do_undo(self, _: str) -> None:
        self._chat.undo()
        self._unanswered = False

    def do_reset(self, _: str) -> None:
        self._chat = self._begin(self._session_id or new_session_id())
        self._saved_line, self._unanswered = None, False
        self._screen.line(f"session {self._chat.session_id}")

    def do_save(self, words: str) -> None:
        try:
            path = Path(*shlex.split(words)[:1]) if words else None
        except ValueError as error:
            raise UserError("/save", f"expected a file ({error})", "quote it as a shell does") from None
        if path is None:
            raise UserError("/save", "expected a file", "/save chats.jsonl")
        self._saved_line = save(path, self._chat.session(), self._saved_line)
        self._saved = path
        wrong = sum(call.verdict not in ("valid", "unchecked") for call in self._chat.calls)
        note = f"; {wrong} of its calls are not valid: correct them before training on it" if wrong else ""
        self._screen.line(f"saved in {path}{note}")

    def do_quit(self, _: str) -> None:
        self._ended = True

    def _ask(self) -> None:
        """Ask for an answer and print it as it arrives. Ctrl-C or a broken connection keeps what has arrived."""
        payload = self._chat.request(self._model, self._sampling, self._seed, self._channel)
        said = Said(self._chat.format.name)
        view, stopped = AnswerView(self._screen), False
        try:
            self._runner.run(self._follow(payload, said, view))
        except KeyboardInterrupt:
            stopped = True
        self._unanswered = not said.text and not stopped and said.problem is not None
        if said.text or not (stopped or said.problem):
            view.finish(self._chat.answer(said.text, said.finish_reason))
        for note in ("stopped" if stopped else None, said.problem):
            if note:
                self._screen.line(f"{note}; /retry asks again", "red")

    async def _follow(self, payload: dict[str, Any], said: Said, view: AnswerView) -> None:
        async for _ in self._answerer.ask(payload, said):
            view.update(self._chat.reading_so_far(said.text))
