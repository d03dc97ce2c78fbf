"""Alike sessions are found as comparing all pairs finds them, in a time that 100,000 sessions allow."""

import random
import time

import numpy as np
import pytest

from callproof.sessions.likeness import ALIKE, Corpus, contained_in, duplicates, leaks, like, shingles
from callproof.sessions.likeness.nearest import jaccard
from callproof.sessions.likeness.outline import BANDS, ROWS, signature

WORDS = [f"w{number}" for number in range(400)]


def talk(words: list[str]) -> list[dict[str, str]]:
    return [{"role": "user", "content": " ".join(words)}]


def plain_jaccard(one: list[str], other: list[str]) -> float:
    """By sets of tuples of words, as the definition reads."""
    sets = [{tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))} for words in (one, other)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def variants(rng: random.Random, count: int) -> list[list[str]]:
    """Texts of which many are copies of others with some words changed."""
    texts: list[list[str]] = []
    for _ in range(count):
        if texts and rng.random() < 0.5:
            text = list(rng.choice(texts))
            for _ in range(rng.randrange(6)):
                text[rng.randrange(len(text))] = rng.choice(WORDS)
        else:
            text = rng.choices(WORDS, k=rng.randrange(8, 120))
        texts.append(text)
    return texts


@pytest.mark.parametrize("seed", range(3))
def test_hashed_similarity_is_that_of_the_definition(seed: int) -> None:
    texts = variants(random.Random(seed), 40)
    for one in texts:
        for other in texts[:5]:
            found = jaccard(shingles(talk(one)), shingles(talk(other)))
            assert found == pytest.approx(plain_jaccard(one, other))


@pytest.mark.parametrize("words", [[], ["a"], ["a", "b", "c", "d"], ["a"] * 9])
def test_a_session_of_few_words_is_like_itself_alone(words: list[str]) -> None:
    assert jaccard(shingles(talk(words)), shingles(talk(words))) == 1
    assert jaccard(shingles(talk(words)), shingles(talk([*words, "z"]))) < 1


def test_order_of_words_counts() -> None:
    assert jaccard(shingles(talk(list("abcde"))), shingles(talk(list("edcba")))) == 0


def test_calls_and_results_count() -> None:
    call = {"role": "assistant", "content": "", "tool_calls": [{"name": "f", "arguments": {"x": 1}}]}
    other = {"role": "assistant", "content": "", "tool_calls": [{"name": "f", "arguments": {"x": 2}}]}
    assert jaccard(shingles([call]), shingles([other])) == 0


@pytest.mark.parametrize("seed", range(3))
def test_duplicates_are_those_that_comparing_all_pairs_finds(seed: int) -> None:
    texts = variants(random.Random(seed), 200)
    expected = {}
    for number, text in enumerate(texts):
        best = max((plain_jaccard(text, earlier) for earlier in texts[:number]), default=0.0)
        if best >= ALIKE:
            expected[number] = best
    found = {each.number: each for each in duplicates(Corpus(map(talk, texts)))}
    assert len(expected) > 20
    assert found.keys() == expected.keys()
    for number, each in found.items():
        assert each.other < number
        assert each.similarity == pytest.approx(plain_jaccard(texts[number], texts[each.other]))
    exact = sum(each.similarity == pytest.approx(expected[number]) for number, each in found.items())
    assert exact >= 0.95 * len(found)


def test_leaks_are_found_between_two_corpora_and_not_within_one() -> None:
    texts = variants(random.Random(7), 100)
    fresh = [[f"x{number}-{at}" for at in range(30)] for number in range(3)]
    evals = [fresh[0], fresh[0], texts[40], fresh[1], [*texts[60], "and"]]
    found = leaks(Corpus(map(talk, evals)), Corpus(map(talk, texts)))
    assert [each.number for each in found] == [2, 4]
    assert found[0].similarity == 1


def test_an_empty_corpus_has_no_duplicates_and_no_leaks() -> None:
    empty, one = Corpus([]), Corpus([talk(["a"])])
    assert duplicates(empty) == []
    assert leaks(empty, one) == []
    assert leaks(one, empty) == []


@pytest.mark.parametrize("alike", [True, False])
def test_time_grows_as_the_number_of_sessions_even_where_all_are_alike(alike: bool) -> None:
    rng = random.Random(3)
    shared = rng.choices(WORDS, k=60)

    def seconds(count: int) -> float:
        texts = [[*shared, f"n{number}"] if alike else rng.choices(WORDS, k=60) for number in range(count)]
        corpus = Corpus(map(talk, texts))
        begun = time.process_time()
        found = duplicates(corpus)
        assert len(found) == (count - 1 if alike else 0)
        return time.process_time() - begun

    seconds(100)
    assert seconds(2400) < 14 * max(seconds(300), 0.02)


def test_shingles_are_sorted_and_distinct() -> None:
    found = shingles(talk(random.Random(1).choices(WORDS[:3], k=500)))
    assert np.all(found[1:] > found[:-1])


def test_shingles_in_a_file_are_those_that_were_taken(monkeypatch) -> None:
    monkeypatch.setattr("callproof.sessions.likeness.corpus._HELD", 64)
    talks = [talk(random.Random(seed).choices(WORDS, k=40)) for seed in range(5)]
    corpus = Corpus(talks)
    assert all((corpus.shingles(number) == shingles(one)).all() for number, one in enumerate(talks))
    assert (corpus.part([3, 1]).shingles(0) == shingles(talks[3])).all()
    assert [(pair.number, pair.other) for pair in duplicates(Corpus([*talks, talks[2]]))] == [(5, 2)]


def test_a_session_that_stands_inside_a_longer_one_is_contained_in_it() -> None:
    chance = random.Random(11)
    words = [f"w{number}" for number in range(400)]
    inside, other, short = (chance.choices(words, k=count) for count in (40, 40, 12))
    longer = [*chance.choices(words, k=150), *inside, *short, *chance.choices(words, k=150)]
    evals, train = Corpus(map(talk, (inside, other, short))), Corpus(map(talk, (other[:20], longer)))
    ((number, containing, share),) = contained_in(evals, train)
    assert (number, containing) == (0, 1)
    assert share == 1
    assert like(evals, train) == []
    assert leaks(evals, train) == contained_in(evals, train)
    assert contained_in(Corpus([]), train) == contained_in(evals, Corpus([])) == []


def runs_of(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))}


def joined(phrases: list[list[str]]) -> list[str]:
    return [word for phrase in phrases for word in phrase]


def with_changes(rng: random.Random, words: list[str], changes: int) -> list[str]:
    changed = list(words)
    for at in rng.sample(range(len(words)), changes):
        changed[at] = "changed"
    return changed


@pytest.mark.parametrize("seed", range(4))
def test_what_is_contained_is_what_comparing_all_pairs_finds(seed: int) -> None:
    """Sessions of one domain, that have most phrases in common; copies in longer ones have a few words changed."""
    rng = random.Random(seed)
    phrases = [rng.choices(WORDS, k=12) for _ in range(30)]
    inside = [joined(rng.choices(phrases, k=rng.randrange(2, 12))) for _ in range(40)]
    longer = [
        [*rng.choice(phrases), *with_changes(rng, rng.choice(inside), rng.randrange(5)), *rng.choice(phrases)]
        for _ in range(60)
    ]
    expected: dict[int, float] = {}
    for number, words in enumerate(inside):
        own = runs_of(words)
        best = max(len(own & runs_of(other)) / len(own) for other in longer)
        if len(own) >= 24 and best >= 0.9:
            expected[number] = best
    found = contained_in(Corpus(map(talk, inside)), Corpus(map(talk, longer)))
    assert 5 < len(expected) < 40
    assert {each.number: each.similarity for each in found} == pytest.approx(expected)
    for each in found:
        own = runs_of(inside[each.number])
        assert each.similarity == pytest.approx(len(own & runs_of(longer[each.other])) / len(own))


@pytest.mark.parametrize("same", [True, False])
def test_time_to_find_what_is_contained_grows_as_the_sessions_even_where_they_are_all_alike(same: bool) -> None:
    rng = random.Random(5)
    phrases = [rng.choices(WORDS, k=20) for _ in range(60)]
    shared = joined(phrases[:10])

    def seconds(count: int) -> float:
        texts = [shared if same else [*joined(rng.sample(phrases, 8)), f"n{at}"] for at in range(count)]
        evals, train = Corpus(map(talk, texts[: count // 8])), Corpus(map(talk, texts[count // 8 :]))
        begun = time.process_time()
        found = contained_in(evals, train)
        assert len(found) == (count // 8 if same else 0)
        return time.process_time() - begun

    seconds(80)
    assert seconds(4800) < 30 * max(seconds(600), 0.05)


@pytest.mark.parametrize("size", [6, 40, 150, 1200])
def test_signatures_agree_as_often_as_sessions_are_alike(size: int) -> None:
    """Of random sets of all sizes, also of far fewer hashes than a signature has places."""
    rng = np.random.default_rng(size)
    agreed, expected, shares_a_band = [], [], []
    for _ in range(400):
        union = rng.permutation(np.unique(rng.integers(0, 2**32, size, dtype=np.uint32)))
        shared = round(ALIKE * len(union))
        alone = (len(union) - shared) // 2
        one, other = np.sort(union[: shared + alone]), np.sort(np.r_[union[:shared], union[shared + alone :]])
        equal = signature(one) == signature(other)
        agreed.append(equal.mean())
        expected.append(shared / len(union))
        shares_a_band.append(equal.reshape(BANDS, ROWS).all(axis=1).any())
    assert np.mean(agreed) == pytest.approx(np.mean(expected), abs=0.01)
    assert np.std(agreed) < 0.06
    assert np.mean(shares_a_band) > 0.98
