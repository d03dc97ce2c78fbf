"""Logs of requests: what one line holds."""

from .exchanges import NAMING, Exchange, NoGold, gold_answer, is_exchange, read_exchange
from .records import plain_record

__all__ = ["NAMING", "Exchange", "NoGold", "gold_answer", "is_exchange", "plain_record", "read_exchange"]
