"""A base whose tokens have no text of their own is served without guided decoding, and that is said."""

import json
from pathlib import Path

import pytest
from programs import ROOT

from callproof.config import ModelConfig
from callproof.turns import spells_by_neighbours


@pytest.mark.parametrize(
    ("decoder", "wanted"),
    [
        ({"type": "ByteLevel"}, False),
        ({"type": "WordPiece", "prefix": "##"}, True),
        ({"type": "Sequence", "decoders": [{"type": "WordPiece", "prefix": "x"}, {"type": "ByteLevel"}]}, True),
        ({"type": "Sequence", "decoders": [{"type": "Replace"}, {"type": "ByteFallback"}]}, False),
        (None, False),
    ],
)
def test_the_decoder_tells_whether_tokens_have_a_text_of_their_own(
    tmp_path: Path, decoder: object, wanted: bool
) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps({"decoder": decoder}))
    assert spells_by_neighbours(ModelConfig(base_model=str(tmp_path))) is wanted


def test_a_base_without_a_tokenizer_here_is_not_known_to() -> None:
    assert not spells_by_neighbours(ModelConfig(base_model="owner/model"))


def test_the_embedded_base_spells_by_neighbours() -> None:
    assert spells_by_neighbours(ModelConfig(base_model=str(ROOT / "models/tiny")))
