"""Text of models, customers and tools made safe to print: it may hold terminal escapes or text-direction marks."""

_VISIBLE = {
    **{code: chr(0x2400 + code) for code in range(32) if code not in (9, 10)},
    0x7F: "\u2421",
    **dict.fromkeys(range(128, 160), "�"),
    **{code: f"<U+{code:04X}>" for code in (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))},
}


def visible(text: str) -> str:
    """The text with control and direction characters replaced by visible symbols; tabs and line ends stay."""
    return text.translate(_VISIBLE)
