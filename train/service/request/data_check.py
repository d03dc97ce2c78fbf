"""Checks an upload before its job is taken in: every session of it, and every fault with its line."""

from collections.abc import Iterator
from pathlib import Path

from callproof.config import RunConfig
from callproof.errors import UserError
from callproof.sessions import Session, read_records, to_session
from callproof.turns import Domain, check_gold, eval_turns

from ...before.preflight import check_settings
from .order import BadOrder

MAX_FAULTS = 100


class Faults:
    """The faults of an upload, as its client knows it: `data.jsonl:3: ...`."""

    def __init__(self, upload: Path, shown: str, base: Path) -> None:
        self._names = {str(upload): shown, f"{upload.parent}/": "", f"{base}/": ""}
        self.lines: list[str] = []

    def add(self, error: UserError) -> None:
        """Note a fault.

        Raises:
            BadOrder: there are so many that the rest need not be read.
        """
        text = str(error)
        for path, name in self._names.items():
            text = text.replace(path, name)
        self.lines.append(text)
        if len(self.lines) >= MAX_FAULTS:
            raise BadOrder([*self.lines, f"no more than the first {MAX_FAULTS} faults are listed"])

    def refuse(self) -> None:
        """Raise BadOrder where there is a fault."""
        if self.lines:
            raise BadOrder(self.lines)


def sessions_of(upload: Path, faults: Faults) -> Iterator[tuple[str, Session]]:
    """(place, session) of each record that is one; the others are noted as faults."""
    seen: dict[str, str] = {}
    for found in read_records(str(upload)):
        where = found.where
        try:
            session = to_session(found.record, where, found.name)
        except UserError as error:
            faults.add(error)
            continue
        first = seen.setdefault(session.session_id, where)
        if first != where:
            faults.add(UserError(where, f"session_id {session.session_id!r} is already at {first}", "rename it"))
        yield where, session


def check_upload(config: RunConfig, upload: Path, flat: bool, faults: Faults) -> RunConfig:
    """The configuration, with the catalog shown where the sessions of a flat order bring tools.

    Raises:
        BadOrder: a record is no session, a call is not what its tools allow, or the settings cannot be trained.
    """
    with_tools = False
    try:
        for _, session in sessions_of(upload, faults):
            with_tools |= session.tools is not None or session.calls_tools
    except UserError as error:
        faults.add(error)
    faults.refuse()
    if flat or (not with_tools and not (config.data.tools_path and config.data.tools_path.exists())):
        catalog = "tools" if with_tools else "none"
        config = config.model_copy(update={"prompt": config.prompt.model_copy(update={"catalog": catalog})})
    domain = Domain(config)
    for where, session in sessions_of(upload, faults):
        try:
            check_gold(session, domain.catalog(session, where), where)
            domain.conversation(session, where)
        except UserError as error:
            faults.add(error)
    faults.refuse()
    try:
        check_settings(config)
        eval_turns(config)
    except UserError as error:
        faults.add(error)
    faults.refuse()
    return config
