"""A base out of a GGUF file: what a writer put in comes out, and what would come out otherwise is refused."""

import json
from pathlib import Path

import pytest

from callproof.errors import UserError

gguf = pytest.importorskip("gguf")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
np = pytest.importorskip("numpy")

WIDTH, INNER, LAYERS, HEADS, KEY_HEADS = 64, 96, 2, 4, 2
CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def vocabulary() -> list[str]:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return [*SPECIAL, *bytes_to_unicode().values(), "ab", "12", "cab"]


def original():
    """A Llama of random weights, as transformers lays them out."""
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary()),
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        max_position_embeddings=256,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        initializer_range=0.2,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = transformers.LlamaForCausalLM(config).eval()
    model.load_state_dict({name: weight.bfloat16().float() for name, weight in model.state_dict().items()})
    return model


def interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a head as llama.cpp rotates them: neighbours in pairs, where transformers pairs the two halves."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def tensors(model) -> dict[str, np.ndarray]:
    weights = {name: weight.numpy() for name, weight in model.state_dict().items()}
    made = {
        "token_embd.weight": weights["model.embed_tokens.weight"],
        "output_norm.weight": weights["model.norm.weight"],
    }
    for layer in range(LAYERS):
        for name, short in NAMES.items():
            weight = weights[f"model.layers.{layer}.{name}.weight"]
            heads = {"attn_q": HEADS, "attn_k": KEY_HEADS}.get(short)
            made[f"blk.{layer}.{short}.weight"] = interleaved(weight, heads) if heads else weight
    return made


def write(file: Path, model, kind: str = "llama", tokens: str = "gpt2", template: str = CHATML, **extra) -> Path:
    """A GGUF file; `extra`: `tensors` to add, one to leave out (`without`), and other fields."""
    writer = gguf.GGUFWriter(str(file), kind)
    writer.add_block_count(LAYERS)
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(extra.get("turned", WIDTH // HEADS))
    writer.add_vocab_size(len(vocabulary()))
    writer.add_tokenizer_model(tokens)
    writer.add_tokenizer_pre(extra.get("split", "smollm"))
    writer.add_token_list(vocabulary())
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(vocabulary()) - len(SPECIAL)))
    writer.add_token_merges(["a b", "1 2"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_chat_template(template)
    if "scaling" in extra:
        writer.add_rope_scaling_type(gguf.RopeScalingType(extra["scaling"]))
    if "parts" in extra:
        writer.add_uint16("split.count", extra["parts"])
    for name, tensor in {**tensors(model), **extra.get("tensors", {})}.items():
        if name == extra.get("without"):
            continue
        if tensor.ndim == 2 and "quantised" in extra:
            packed = gguf.quants.quantize(np.ascontiguousarray(tensor), extra["quantised"])
            writer.add_tensor(name, packed, raw_dtype=extra["quantised"])
        else:
            writer.add_tensor(name, np.ascontiguousarray(tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def test_the_weights_that_a_writer_put_in_come_out(tmp_path) -> None:
    from train.base.pretrained import convert

    model = original()
    source = convert(write(tmp_path / "m.gguf", model), tmp_path / "out")
    assert source["template"] == "hermes"
    assert json.loads((tmp_path / "out/source.json").read_text()) == source
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["dtype"] == "bfloat16"
    assert "quantization_config" not in config
    made = transformers.AutoModelForCausalLM.from_pretrained(str(tmp_path / "out"), dtype=torch.float32).eval()
    assert made.lm_head.weight.data_ptr() == made.model.embed_tokens.weight.data_ptr()
    for name, weight in model.state_dict().items():
        assert torch.equal(made.state_dict()[name], weight), name
    ids = torch.arange(40).unsqueeze(0)
    with torch.no_grad():
        assert torch.allclose(made(ids).logits, model(ids).logits, atol=1e-5)


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_1", "Q5_0", "F16"])
def test_quantised_weights_come_out_as_the_format_defines_them(tmp_path, kind) -> None:
    from train.base.pretrained import convert

    model, form = original(), gguf.GGMLQuantizationType[kind]
    convert(write(tmp_path / "m.gguf", model, quantised=form), tmp_path / "out")
    made = transformers.AutoModelForCausalLM.from_pretrained(str(tmp_path / "out"), dtype=torch.bfloat16).state_dict()
    for name in (
        "model.embed_tokens.weight",
        "model.layers.1.mlp.down_proj.weight",
        "model.layers.0.self_attn.v_proj.weight",
    ):
        packed = gguf.quants.quantize(model.state_dict()[name].numpy(), form)
        assert torch.equal(made[name], torch.from_numpy(gguf.quants.dequantize(packed, form)).bfloat16()), name


def test_the_tokenizer_is_that_of_the_file_and_begins_a_text_once(tmp_path) -> None:
    from train.base.pretrained import convert

    convert(write(tmp_path / "m.gguf", original()), tmp_path / "out")
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(tmp_path / "out"))
    assert tokenizer("cab", add_special_tokens=False)["input_ids"] == [
        vocabulary().index("c"),
        vocabulary().index("ab"),
    ]
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.model_max_length) == (1, 2, 256)
    tool = {"type": "function", "function": {"name": "f", "description": "", "parameters": {}}}
    asked = [{"role": "user", "content": "ab"}]
    ids = tokenizer.apply_chat_template(asked, tools=[tool], add_generation_prompt=True)["input_ids"]
    text = tokenizer.decode(ids)
    assert text.startswith("<|im_start|>system\n# Tools")
    assert text.count("<|im_start|>") == ids.count(1) == 3


@pytest.mark.parametrize(
    ("split", "text", "expected"),
    [
        ("smollm", "ab  12", ["ab", "Ġ", "Ġ", "1", "2"]),  # digits stand alone
        ("gpt-2", "ab  12", ["ab", "Ġ", "Ġ", "12"]),
        ("llama-bpe", "cab", ["cab"]),  # a word of the vocabulary needs no merges
        ("qwen2", "cab", ["c", "ab"]),
        ("qwen2", "ab12", ["ab", "1", "2"]),
    ],
)
def test_text_is_split_as_the_file_says(tmp_path, split: str, text: str, expected: list[str]) -> None:
    from train.base.pretrained import convert

    convert(write(tmp_path / "m.gguf", original(), split=split), tmp_path / "out")
    assert transformers.AutoTokenizer.from_pretrained(str(tmp_path / "out")).tokenize(text) == expected


def test_a_template_that_writes_calls_is_kept(tmp_path) -> None:
    from train.base.pretrained import BUNDLED, convert

    own = "{# mine #}" + BUNDLED.read_text()
    file = write(tmp_path / "sha256-1f", original(), template=own)  # as Ollama names it
    assert convert(file, tmp_path / "out")["template"] == "own"
    assert (tmp_path / "out/chat_template.jinja").read_text() == own


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": "mamba"}, "is a model of the kind 'mamba'"),
        ({"tokens": "llama"}, "tokenizer of the kind 'llama'"),
        ({"split": "viking"}, "splits text before its tokenizer as 'viking'"),
        ({"turned": 8}, "rotates 8 of the 16 numbers of a head"),
        ({"scaling": "yarn"}, "scales its rotary frequencies"),
        ({"tensors": {"rope_freqs.weight": np.ones(8, np.float32)}}, "scales its rotary frequencies"),
        ({"parts": 2}, "one part of a split model"),
        (
            {"tensors": {"blk.0.attn_q.bias": np.ones(WIDTH, np.float32)}},
            "holds 78,592 weights, and transformers has a place for 78,528",
        ),
        ({"without": "blk.1.ffn_up.weight"}, "lacks, model.layers.1.mlp.up_proj.weight"),
    ],
)
def test_what_would_come_out_otherwise_is_refused(tmp_path, change, problem) -> None:
    from train.base.pretrained import convert

    file = write(tmp_path / "m.gguf", original(), **change)
    with pytest.raises(UserError, match=problem):
        convert(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_torn_or_foreign_file_is_refused_in_one_line(tmp_path) -> None:
    from train.base.pretrained import convert

    whole = write(tmp_path / "m.gguf", original()).read_bytes()
    for name, content in {"torn": whole[:3000], "cut": whole[:-5000], "zip": b"PK\x03\x04", "empty": b""}.items():
        file = tmp_path / f"{name}.gguf"
        file.write_bytes(content)
        with pytest.raises(UserError) as caught:
            convert(file, tmp_path / "out")
        assert "\n" not in str(caught.value)
        assert "GGUF file" in str(caught.value), caught.value
    with pytest.raises(UserError, match="file not found"):
        convert(tmp_path / "none.gguf", tmp_path / "out")


def test_nothing_that_is_there_is_replaced(tmp_path) -> None:
    from train.base.pretrained import convert

    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("kept")
    with pytest.raises(UserError, match="is there already"):
        convert(write(tmp_path / "m.gguf", original()), tmp_path / "out")
    assert (tmp_path / "out/mine.txt").read_text() == "kept"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["smollm2", "--resume"], "--resume: is for the embedded base"),
        (["smollm2", "--from", "m.gguf"], "--from: names a model beside smollm2"),
        (["--from", "m.gguf"], "--out: is not given"),
        (["--from", "m.gguf", "--out", "none"], "m.gguf: file not found"),
    ],
)
def test_what_the_command_cannot_do_is_said_in_a_line(words: list[str], problem: str) -> None:
    from train.cli import main

    with pytest.raises(UserError) as caught:
        main(["base", *words])
    assert str(caught.value).startswith(problem)
