import json
import re
from typing import Any

import pytest

from train.synth.dialogue import Pool
from train.synth.domains import DOMAINS, pools
from train.synth.domains.pools import Car
from train.synth.generate import sessions
from train.synth.similarity import Index

every_domain = pytest.mark.parametrize("domain", DOMAINS)


def free_values(domain: str, split: str) -> set[str]:
    """Argument values that are no enum member, boolean or date part: names, ids, prices, dates, times, ..."""
    return {
        str(value)
        for generated in sessions(domain, split)
        for message in generated.session["messages"]
        for call in message.get("tool_calls", ())
        for name, value in _leaves("", call["arguments"])
        if name not in ENUMS and not isinstance(value, bool)
    }


ENUMS = {"fuel", "body", "day", "condition", "months", "items", "product", "cause", "options", "reason"}


def _leaves(name: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key, part in value.items() for leaf in _leaves(key, part)]
    if isinstance(value, list):
        return [(name, part) for part in value]
    return [(name, value)]


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def runs(text: str) -> set[str]:
    """Every run of one to four words, joined by blanks."""
    found = re.findall(r"\w+", text.lower())
    return {" ".join(found[start : start + size]) for start in range(len(found)) for size in (1, 2, 3, 4)}


@every_domain
def test_no_argument_value_of_an_eval_session_is_one_in_training(domain: str) -> None:
    values = free_values(domain, "eval")
    assert len(values) > 300
    assert not values & free_values(domain, "train")


@every_domain
def test_no_textual_argument_value_of_an_eval_session_occurs_anywhere_in_the_training_text(domain: str) -> None:
    training = runs(str([generated.session["messages"] for generated in sessions(domain, "train")]))
    textual = {value for value in free_values(domain, "eval") if re.search("[A-Za-z]", value)}
    assert len(textual) > 100
    assert not {value for value in textual if " ".join(re.findall(r"\w+", value.lower())) in training}


@every_domain
def test_no_price_or_mileage_of_an_eval_tool_result_is_one_in_training(domain: str) -> None:
    def numbers(split: str) -> set[str]:
        results = [m for g in sessions(domain, split) for m in g.session["messages"] if m["role"] == "tool"]
        return {
            str(value) for m in results for name, value in _leaves("", json.loads(m["content"])) if name != "months"
        }

    shared = numbers("eval") & numbers("train")
    assert shared <= {"True", "open", "approved", "rejected", "household", "car", "travel", "liability"}


@pytest.mark.parametrize("name", [name for name, pool in vars(pools).items() if isinstance(pool, Pool)])
def test_the_two_halves_of_a_pool_share_no_word(name: str) -> None:
    def halves(values: tuple[Any, ...]) -> set[str]:
        return words(str([value[:2] if isinstance(value, Car) else value for value in values]))

    pool = getattr(pools, name)
    assert not halves(pool.train) & halves(pool.eval)


@every_domain
def test_a_third_of_the_eval_messages_are_phrased_as_training_never_phrases_anything(domain: str) -> None:
    used = [phrase for generated in sessions(domain, "eval") for phrase in generated.phrases]
    assert sum(phrase.eval_only for phrase in used) / len(used) >= 1 / 3
    seen = {phrase.text for generated in sessions(domain, "train") for phrase in generated.phrases}
    assert not seen & {phrase.text for phrase in used if phrase.eval_only}


@every_domain
def test_no_eval_only_phrase_is_a_training_phrase_but_for_case_and_punctuation(domain: str) -> None:
    phrases = [phrase for bank in DOMAINS[domain].banks.values() for phrase in bank]

    def bare(text: str) -> str:
        return " ".join(re.findall(r"\w+", text.lower()))

    training = {(phrase.bank, bare(phrase.text)) for phrase in phrases if not phrase.eval_only}
    sentences = {text for _, text in training if len(text.split()) > 3}
    for phrase in phrases:
        if phrase.eval_only:
            assert (phrase.bank, bare(phrase.text)) not in training, phrase
            assert bare(phrase.text) not in sentences, phrase


@every_domain
def test_no_eval_session_is_nearly_a_training_session(domain: str) -> None:
    index = Index(generated.session for generated in sessions(domain, "train"))
    assert max(index.nearest(generated.session) for generated in sessions(domain, "eval")) < 0.5


def test_the_similarity_of_a_session_to_itself_is_one_and_to_a_stranger_nil() -> None:
    one = {"messages": [{"role": "user", "content": "Do you have a diesel Octavia below 25'000?"}]}
    stranger = {"messages": [{"role": "user", "content": "Which policies am I paying for with you?"}]}
    index = Index([one])
    assert index.nearest(one) == 1
    assert index.nearest(stranger) == 0


def test_no_training_session_occurs_twice() -> None:
    for domain in DOMAINS:
        texts = [json.dumps(generated.session["messages"]) for generated in sessions(domain, "train")]
        assert len(set(texts)) == len(texts)
