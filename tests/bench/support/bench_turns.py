"""Turns for tests of the load."""

from callproof.config import EvalConfig
from callproof.turns import Turn

SETTINGS = EvalConfig(timeout_s=30)


def turns(sessions: int, turns_a_session: int) -> list[Turn]:
    """Turns that expect no call: `sessions` sessions of `turns_a_session` turns."""
    return [
        Turn(
            turn_id=f"s{session}/{position}",
            session_id=f"s{session}",
            position=position,
            messages=({"role": "user", "content": f"{session} {position}"},),
            tools=None,
            gold=(),
        )
        for session in range(sessions)
        for position in range(turns_a_session)
    ]
