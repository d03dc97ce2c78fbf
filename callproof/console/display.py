"""Text of models, customers and tools made safe to print, and shares as people read them."""

from decimal import ROUND_HALF_UP, Decimal

_VISIBLE = {
    **{code: chr(0x2400 + code) for code in range(32) if code not in (9, 10)},
    0x7F: "\u2421",
    **dict.fromkeys(range(128, 160), "�"),
    **{code: f"<U+{code:04X}>" for code in (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))},
}


def percent(value: float | None) -> str:
    """A share in per cent with one decimal, halves away from zero, as the pages' script rounds; a dash for None."""
    return "–" if value is None else f"{_tenths(value):.1f}"


def points(value: float | None) -> str:
    """A difference of shares in percentage points, as `percent`, with its sign."""
    return "–" if value is None else f"{_tenths(value):+.1f}"


def _tenths(value: float) -> Decimal:
    return Decimal(100 * value).quantize(Decimal("0.1"), ROUND_HALF_UP) + 0  # + 0: no -0.0


def visible(text: str) -> str:
    """The text with control and direction characters, which might be orders to a terminal, replaced by visible symbols.

    Tabs and line ends stay.
    """
    return text.translate(_VISIBLE)
