"""Lines come back from their file as they went in, catalogs in memory or not."""

import pytest

from callproof.catalog import Catalog
from callproof.sessions import Session
from callproof.sessions.conversations.spool import Spool

TOOL = {"type": "function", "function": {"name": "f", "description": None, "parameters": {"type": "object"}}}


@pytest.mark.parametrize("kept", [0, 1, 8])
def test_lines_come_back_in_order_with_their_catalogs(monkeypatch, kept: int) -> None:
    monkeypatch.setattr("callproof.sessions.conversations.spool._CATALOGS", kept)
    catalogs = [None, Catalog(tools=()), *(Catalog.from_wire([{**TOOL}]) for _ in range(2))]
    messages = [{"role": "user", "content": "a"}]
    sessions = [Session.model_validate({"session_id": str(n), "messages": messages, "tools": tools})
                for n, tools in enumerate(catalogs)]  # fmt: skip
    with Spool() as spool:
        for number, session in enumerate(sessions):
            spool.add(("here", number), session)
        spool.add(("nothing", -1), None)
        lines = list(spool)
    assert lines == [*((("here", number), session) for number, session in enumerate(sessions)), (("nothing", -1), None)]
    same = lines[2][1], sessions[2]
    assert kept < 8 or same[0].tools is same[1].tools
