"""What is kept of many sessions is what a dict and a list would keep, in less memory."""

import random
import tracemalloc

from callproof.sessions.many import Names, Places, Texts


def test_names_have_the_number_of_their_first_occurrence() -> None:
    chance, names, known = random.Random(4), Names(), dict[str, int]()
    for _ in range(5000):
        name = f"säule {chance.randrange(3000)}"
        assert names.add(name) == known.get(name)
        known.setdefault(name, len(known))
    assert len(names) == len(known)


def test_places_and_texts_come_back_as_they_were() -> None:
    given = [
        "a.jsonl:1",
        "a.jsonl:20",
        "b/c.parquet:007",
        "hub[12]",
        "nowhere",
        "",
        "5",
        "x:99999999999999999999",
        "\udc80:3",
    ]
    places, texts = Places(), Texts()
    for each in given:
        places.add(each)
        texts.append(each)
    assert [places[number] for number in range(len(given))] == given
    assert [texts[number] for number in range(len(texts))] == given


def test_a_hundred_thousand_sessions_take_few_megabytes() -> None:
    tracemalloc.start()
    names, places, texts = Names(), Places(), Texts()
    for number in range(100_000):
        names.add(f"session-{number}")
        places.add(f"some/folder/file.jsonl:{number}")
        texts.append(f"session-{number}")
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 100_000 * 100
