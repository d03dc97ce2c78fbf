"""How people ask, answer, correct and chat in the curriculum."""

import random
import re
from typing import Any

from .lexicon import ADJECTIVES, FEATURES, NOUNS, VERBS, invented
from .toolmaker import LessonTool, Param, Said

_OPENINGS = (
    "Please {v} {a} {n}", "I'd like to {v} {a} {n}", "Can you {v} {a} {n}", "Could you {v} {a} {n} for me",
    "I want to {v} {a} {n}", "{v} {a} {n}", "I need to {v} {a} {n}", "Would you {v} {a} {n} please",
    "Help me {v} {a} {n}",
    "We would like to {v} {a} {n}", "Let's {v} {a} {n}", "{n} please", "It is about {a} {n}, please {v} it",
    "Is it possible to {v} {a} {n}", "You could {v} {a} {n}", "My wish: {v} {a} {n}", "Now {v} {a} {n}",
    "Time to {v} {a} {n}",
    "Do you have {a} {n}", "I am looking for {a} {n}", "We need {a} {n}", "Any {n}", "{n}", "How about {a} {n}",
)  # fmt: skip
_HELLOS = ("Hi, ", "Hello, ", "Hello! ", "Good morning, ", "Good evening. ", "Hey ", "Grüezi, ", "Thanks. ", "Great, ",
           "Ok, ", "Perfect. ", "Sorry, one more thing: ", "And ", "Well, ", "Alright, ", "So, ")  # fmt: skip
_ASIDES = ("My sister told me about you.", "It's a bit urgent.", "We are new here.", "I saw you online.",
           "No hurry though.",
           "I hope that works.", "Thank you so much!", "Thanks in advance.", "My husband asked for it.", "Best regards",
           "I called yesterday already.", "It is for my daughter.", "That would be great.", "Is that ok?",
           "cheers")  # fmt: skip
_LABELLED = ("{l} {v}", "{l} {v}", "{l}: {v}", "with {l} {v}", "with {v} as {l}", "the {l} is {v}", "{v} for the {l}",
             "the {l} should be {v}", "use {v} as {l}", "{l} = {v}", "{v} ({l})", "my {l} is {v}",
             "its {l} is {v}")  # fmt: skip
_BARE: dict[str, tuple[str, ...]] = {
    "date": ("on {v}", "for {v}", "{v}", "starting {v}", "by {v}", "it was on {v}", "from {v}"),
    "time": ("at {v}", "{v}", "around {v}", "at {v} sharp"),
    "person": ("for {v}", "I'm {v}", "my name is {v}", "this is {v}", "under {v}", "I am {v}", "name: {v}", "{v} here"),
    "email": ("my email is {v}", "{v}", "send it to {v}", "reach me at {v}", "mail {v}"),
    "phone": ("call me at {v}", "{v}", "my number is {v}", "phone {v}"),
    "code": ("{v}", "number {v}", "reference {v}", "it's {v}", "no. {v}", "the one with {v}", "for {v}"),
    "int": ("{v} {l}", "{v}", "with {v} {l}", "{l} {v}"),
    "amount": ("{v}", "for {v}", "worth {v}", "{l} {v}", "it is {v}", "at {v}"),
    "enum": (
        "{v}",
        "{v} please",
        "{v}, please",
        "rather {v}",
        "I prefer {v}",
        "it should be {v}",
        "the {v} one",
        "in {v}",
    ),
    "text": ("{v}", "called {v}", "for {v}", "in {v}", "the {v}", "of {v}", "about {v}", "near {v}"),
    "note": ("note: {v}", "it says {v}", "please note {v}", "because of {v}", "remark: {v}", "namely {v}"),
    "list": ("{v}", "with {v}", "I want {v}", "plus {v}", "including {v}", "for {v}"),
    "object": ("{v}", "here are the data: {v}", "my data: {v}"),
}
_CEILING = ("up to {v}", "under {v}", "at most {v}", "no more than {v}", "below {v}", "max {v}", "not above {v}")
_FLOOR = ("from {v}", "at least {v}", "over {v}", "above {v}", "min {v}", "more than {v}")
_YES = ("with {l}", "{l} too", "including {l}", "and I want {l}", "I need {l}", "{l} please", "{l}: yes", "we have {l}")
_NO = ("without {l}", "no {l}", "{l} not needed", "{l}: no", "I don't need {l}", "we have no {l}")


def speak(rng: random.Random, param: Param, said: Said) -> str:
    """One parameter in a customer's words."""
    text, value = said
    if param.kind == "bool":
        shapes = (param.mentions or _YES) if value else (param.denials or _NO)
    elif param.mentions:
        shapes = param.mentions
    elif param.name.startswith("max_") and rng.random() < 0.8:
        shapes = _CEILING
    elif param.name.startswith("min_") and rng.random() < 0.8:
        shapes = _FLOOR
    elif param.kind in _BARE and rng.random() < 0.5:
        shapes = _BARE[param.kind]
    else:
        shapes = _LABELLED
    return rng.choice(shapes).format(text, l=param.label, v=text)


def opening(rng: random.Random, tool: LessonTool, said: dict[Param, Said]) -> tuple[str, set[str]]:
    """How a request begins, and the names of the parameters that it already mentions."""
    inside: set[str] = set()
    if tool.requests:
        spoken = {param.name: text for param, (text, _) in said.items() if param.kind not in ("bool", "object")}
        text = rng.choice([request for request in tool.requests if slots(request) <= spoken.keys()])
        inside, text = slots(text), text.format(**spoken)
    else:
        article = rng.choice(("a", "the", "my", "one", "this"))
        text = rng.choice(_OPENINGS).format(v=rng.choice(tool.verbs), a=article, n=tool.noun)
    if rng.random() < 0.2:
        text = rng.choice(_HELLOS) + text[0].lower() + text[1:]
    return text, inside


def slots(text: str) -> set[str]:
    """Names of the `{slots}` of a phrase."""
    return set(re.findall(r"{(\w+)}", text))


def request(rng: random.Random, tool: LessonTool, said: dict[Param, Said], spoken_last: Param | None = None) -> str:
    """A customer's request: an opening and the parameters in some order; `spoken_last` is said as it stands."""
    text, inside = opening(rng, tool, said)
    params = [param for param in said if param is not spoken_last and param.name not in inside]
    rng.shuffle(params)
    parts = _described(rng, params, said) if rng.random() < 0.5 else []
    parts += [speak(rng, param, said[param]) for param in params]
    if spoken_last is not None and spoken_last.name not in inside:
        parts.insert(rng.randrange(len(parts) + 1), said[spoken_last][0])
    joint = rng.choice((", ", ", ", " ", " and ", ". ", "; "))
    if parts:
        text += rng.choice((" ", " ", ", ", ": ", ". ")) + joint.join(parts)
    if rng.random() < 0.08:
        text += ". " + rng.choice(_ASIDES)
    elif rng.random() < 0.06:
        text = rng.choice(_ASIDES) + " " + text
    return _typo(rng, text, said) if rng.random() < 0.1 else text + rng.choice(("", "", ".", "?", "!"))


def _described(rng: random.Random, params: list[Param], said: dict[Param, Said]) -> list[str]:
    """A word to choose before a text, "a red Alder": takes both of `params`."""
    words = [param for param in params if param.kind == "enum" and isinstance(said[param][1], str)]
    things = [param for param in params if param.kind == "text"]
    if not words or not things:
        return []
    params.remove(words[0])
    params.remove(things[0])
    start = rng.choice(("", "a ", "the ", "one ", "for a ", "namely a "))
    return [f"{start}{said[words[0]][0]} {said[things[0]][0]}"]


def _typo(rng: random.Random, text: str, said: dict[Param, Said]) -> str:
    """Two letters swapped in a word that is no value."""
    words = text.split(" ")
    values = " ".join(spoken for spoken, _ in said.values())
    where = [index for index, word in enumerate(words) if len(word) > 4 and word.isalpha() and word not in values]
    if where:
        index = rng.choice(where)
        word, at = words[index], rng.randrange(1, len(words[index]) - 2)
        words[index] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def both(rng: random.Random, first: str, second: str) -> str:
    first = first.rstrip(".?!")
    return (
        first
        + rng.choice((". And ", ". Also ", " and also ", ", then ", ". Besides, "))
        + second[0].lower()
        + second[1:]
    )


def ask(rng: random.Random, param: Param) -> str:
    if param.asks:
        return rng.choice(param.asks)
    shapes = ("Which {l} would you like?", "What is the {l}?", "Could you tell me the {l}?", "I need the {l} for that.",
              "Sure, what {l}?", "Please give me the {l}.", "Gladly. Which {l}?")  # fmt: skip
    return rng.choice(shapes).format(l=param.label)


def supply(rng: random.Random, param: Param, said: Said) -> str:
    if param.kind == "bool":
        return rng.choice(("Yes", "yes please", "Yes, with that") if said[1] else ("No", "no thanks", "No, without"))
    if param.mentions and rng.random() < 0.3:
        return rng.choice(param.mentions).format(said[0])
    shapes = (
        "{v}",
        "{v}",
        "{v} please",
        "It's {v}",
        "Oh sorry, {v}",
        "{l} {v}",
        "{v}, thanks",
        "Let me see: {v}",
        "{v}.",
    )
    return rng.choice(shapes).format(v=said[0], l=param.label)


def correct(rng: random.Random, param: Param, said: Said) -> str:
    """The customer takes one value back and gives another."""
    if param.kind != "bool" and rng.random() < 0.4:
        shapes = ("No, {p}", "Sorry, {p}", "My mistake: {p}", "Correction, {p}", "{p}, I got that wrong",
                  "I misspoke, {p}", "Let me rephrase: {p}", "Strike that, {p}")  # fmt: skip
        return rng.choice(shapes).format(p=speak(rng, param, said))
    shapes = ("No, {v}", "Sorry, I meant {v}", "No wait, {l} {v}", "Actually {v}", "Make that {v}",
              "Change the {l} to {v}", "{v}, not what I said", "I now see that it is {v}",
              "We decided on {v} after all",
              "Oh no, {v} instead", "Rather {v} please", "It should be {v}, not that")  # fmt: skip
    return rng.choice(shapes).format(v=said[0], l=param.label)


def pair(rng: random.Random, one: str, other: str) -> str:
    """Two things that the same is wanted of."""
    shapes = ("{a} and {b}", "{a} and {b}", "both {a} and {b}", "{a} or {b}", "{a} as well as {b}", "{a}, {b}",
              "{a} and then {b}", "{a} and also {b}", "{a} against {b}")  # fmt: skip
    return rng.choice(shapes).format(a=one, b=other)


def pick(rng: random.Random, name: str, place: int, count: int) -> str:
    if count == 1:
        return rng.choice(("that one", "take it", "this one", f"the {name}", "yes, that", name))
    ordinal = ("first", "second", "third", "fourth", "fifth")[place]
    return rng.choice(
        (f"the {name}", f"{name}", f"my {name}", f"the {ordinal} one", f"number {place + 1}", f"the {name} one", name)
    )


def done(rng: random.Random, noun: str, values: list[Any]) -> str:
    shapes = ("Done, the {n} is set: {v}.", "All right, {v} for your {n}.", "The {n} is ready ({v}).", "Your {n}: {v}.",
              "I took care of the {n}, {v}.", "Thank you, {n} {v} is noted.")  # fmt: skip
    return rng.choice(shapes).format(n=noun, v=", ".join(map(str, values)))


def listed(rng: random.Random, noun: str, titles: list[str]) -> str:
    shapes = ("I found {t}.", "We have {t}. Which one?", "There is {t} for your {n}.", "These fit: {t}.")
    return rng.choice(shapes).format(t=" and ".join(titles), n=noun)


def refuse(rng: random.Random) -> str:
    shapes = ("Sorry, I cannot help with that.", "I'm afraid that is not something I can do.",
              "That is outside of what I can do here.")  # fmt: skip
    return rng.choice(shapes)


def it(rng: random.Random) -> str:
    """What was spoken of last."""
    return rng.choice(("it", "this one", "that one", "the same one", "the same"))


def vague(rng: random.Random, name: str) -> str:
    """Something that nobody can identify; `name` has not been spoken of."""
    return rng.choice(
        (
            name,
            f"the {name}",
            f"the {name}",
            f"my {name}",
            f"the {name} one",
            "the one from your website",
            "the one I had before",
            "the one I saw yesterday",
            "mine",
            "the one in your letter",
        )
    )


def system_text(rng: random.Random) -> str:
    """A preamble, a date line, and sections of bullets."""
    noun = rng.choice(NOUNS)
    who = rng.choice(("You are the assistant of", "You help the customers of", "You work for", "You answer for"))
    day = f"{rng.randint(2024, 2028)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    hour = f"{rng.randint(7, 19):02}:{rng.randint(0, 59):02}"
    weekday = rng.choice(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"))
    parts = [
        f"{who} {invented(rng)} {noun}.",
        f"Current DateTime (Europe/Zurich): {weekday}, {day} {hour}",
    ]
    for _ in range(rng.randint(1, 4)):
        heading = f"## {rng.choice(NOUNS).capitalize()}"
        parts.append("\n".join([heading, *(f"- {_rule(rng)}" for _ in range(rng.randint(1, 4)))]))
    return "\n\n".join(parts)


def _rule(rng: random.Random) -> str:
    verb, noun = rng.choice(rng.choice(VERBS)), rng.choice(NOUNS)
    shapes = ("Ask for the {n} when it is missing.", "Never {v} a {n} without the customer's consent.",
              "Be short and polite.",
              "Use a tool only when it fits.", "Prices are in Swiss francs.", "Do not invent an id.",
              "Dates are ISO 8601.",
              "Decline what has nothing to do with the {n}.", "We {v} every {n} with {f}.", "The {n} is {a}.",
              "Answer in one sentence.", "If the {n} is {a}, {v} it first.",
              "Repeat the {n} to the customer.")  # fmt: skip
    feature = rng.choice(FEATURES).replace("_", " ")
    return rng.choice(shapes).format(n=noun, v=verb, f=feature, a=rng.choice(ADJECTIVES))
