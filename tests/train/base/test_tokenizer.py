"""The base model's tokenizer: a space between words is no token, yet no character is lost, streamed or whole."""

import pytest
from conftest import ROOT
from hypothesis import example, given
from hypothesis import strategies as st

tokenizers = pytest.importorskip("tokenizers")

SHIPPED = tokenizers.Tokenizer.from_file(str(ROOT / "models/tiny/tokenizer.json"))
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1e\x1f")),
    st.text('ab Zéć9_". \n日😀\u0301'),
)


@given(TEXTS)
@example("the Renault Kangoo of Mr Nikolić")
@example(" two  blanks   and\ttabs \n")
@example('{"name": "book_room", "arguments": {"guest": "Ana Lüthi"}}')
def test_decoding_gives_back_the_text(text: str) -> None:
    assert SHIPPED.decode(SHIPPED.encode(text).ids) == text


@given(TEXTS.filter(lambda text: "\ufffd" not in text))
def test_a_stream_of_tokens_gives_the_same_text(text: str) -> None:
    """As vLLM decodes while it generates: each token in the light of those before it."""
    stream = tokenizers.decoders.DecodeStream(skip_special_tokens=False)
    pieces = [stream.step(SHIPPED, token) for token in SHIPPED.encode(text).ids]
    assert "".join(piece or "" for piece in pieces) == text


def test_a_space_between_words_costs_nothing() -> None:
    assert SHIPPED.encode("please book the room").tokens == ["please", "book", "the", "room"]


def test_offsets_leave_out_the_space() -> None:
    text = "book a room"
    assert [text[start:end] for start, end in SHIPPED.encode(text).offsets] == ["book", "a", "room"]


def test_the_characters_that_decoding_needs_are_dropped_from_texts() -> None:
    assert SHIPPED.decode(SHIPPED.encode("a\x1eb\x1fc").ids) == "abc"
