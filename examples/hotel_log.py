"""Writes a log to try callproof on: requests to a hotel's assistant with eight tools, as a proxy records them.

    python hotel_log.py > log.jsonl

Each line is one request and its response, so that a conversation is several lines, each longer than the one before.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

CONVERSATIONS = 240
SYSTEM = "You answer for Hotel Bellevue. Be brief. Ask for what is missing; decline what is not about the hotel."
CITIES = "Bern Basel Zug Chur Thun Olten Sion Aarau Genf Lugano Davos Brig Baden Wil Arosa".split()
NAMES = "Meier Keller Huber Frei Baumann Gerber Wyss Moser Kunz Suter Graf Roth Vogel Koch Brun".split()
DISHES = "fondue rösti trout risotto soup salad pasta tart quiche curry".split()
FAULTS = ("the shower", "the heating", "the lamp", "the window", "the key card", "the television")
HELLOS = ("Hello,", "Good evening,", "Hi there,", "Please:", "One question,", "Sorry to bother you,", "Good morning,")


def tool(name: str, description: str, required: str, /, **parameters: str) -> dict[str, Any]:
    properties = {key: {"type": kind} for key, kind in parameters.items()}
    schema = {"type": "object", "properties": properties, "required": required.split()}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


TOOLS = [
    tool("find_room", "Free rooms in a city.", "city nights", city="string", nights="integer", guests="integer"),
    tool("book_room", "Book a room for a guest.", "room name", room="string", name="string"),
    tool("cancel_booking", "Cancel a booking.", "booking", booking="string"),
    tool("room_service", "Order a dish to a room.", "room dish", room="string", dish="string", count="integer"),
    tool("wake_up", "Wake a guest by telephone.", "room time", room="string", time="string"),
    tool("report_fault", "Tell the house technician of a fault.", "room fault", room="string", fault="string"),
    tool("book_table", "Book a table in the restaurant.", "time guests", time="string", guests="integer"),
    tool("order_taxi", "Order a taxi to the door.", "time", time="string", to="string"),
]


def wishes(rng: random.Random) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    """What a guest says, the tool and arguments that answer it, and the tool's result."""
    city, name, dish, fault = (rng.choice(words) for words in (CITIES, NAMES, DISHES, FAULTS))
    room, booking, nights, guests = rng.randint(101, 599), rng.randint(1000, 9999), rng.randint(1, 9), rng.randint(2, 8)
    time = f"{rng.randint(6, 22):02}:{rng.choice((0, 15, 30, 45)):02}"
    return rng.choice(
        [
            (f"is anything free in {city} for {nights} nights?", "find_room", {"city": city, "nights": nights},
             {"rooms": [str(room)]}),
            (f"book room {room} for {name}.", "book_room", {"room": str(room), "name": name},
             {"booking": str(booking)}),
            (f"cancel my booking {booking}.", "cancel_booking", {"booking": str(booking)}, {"cancelled": True}),
            (f"bring {guests} times {dish} to room {room}.", "room_service",
             {"room": str(room), "dish": dish, "count": guests}, {"minutes": nights * 5}),
            (f"wake me at {time} in room {room}.", "wake_up", {"room": str(room), "time": time}, {"set": True}),
            (f"{fault} in room {room} does not work.", "report_fault", {"room": str(room), "fault": fault},
             {"ticket": booking}),
            (f"a table for {guests} at {time}.", "book_table", {"time": time, "guests": guests}, {"table": nights}),
            (f"a taxi to {city} at {time}.", "order_taxi", {"time": time, "to": city}, {"car": booking}),
        ]
    )  # fmt: skip


def lines(number: int) -> Iterator[dict[str, Any]]:
    """The requests of one conversation: one or two wishes, each with a call, its result and an answer."""
    rng = random.Random(number)
    talk: list[dict[str, Any]] = []
    for turn in range(rng.randint(1, 2)):
        said, name, arguments, result = wishes(rng)
        talk.append({"role": "user", "content": f"{rng.choice(HELLOS)} {said}"})
        call: dict[str, Any] = {"id": f"c{turn}", "type": "function"}
        call["function"] = {"name": name, "arguments": json.dumps(arguments)}
        yield from asked(talk, {"role": "assistant", "content": None, "tool_calls": [call]})
        talk.append({"role": "tool", "tool_call_id": f"c{turn}", "content": json.dumps(result)})
        yield from asked(talk, {"role": "assistant", "content": f"Done: {', '.join(map(str, result.values()))}."})
    if rng.random() < 0.4:
        talk.append(
            {"role": "user", "content": f"{rng.choice(('Thanks', 'Good night', 'Perfect'))}, {rng.choice(NAMES)}."}
        )
        yield from asked(talk, {"role": "assistant", "content": "You are welcome."})


def asked(talk: list[dict[str, Any]], answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The line of one request; the answer joins the conversation."""
    messages = [{"role": "system", "content": SYSTEM}, *talk]
    yield {"request": {"messages": messages, "tools": TOOLS}, "response": {"choices": [{"message": answer}]}}
    talk.append(answer)


if __name__ == "__main__":
    for conversation in range(CONVERSATIONS):
        for line in lines(conversation):
            print(json.dumps(line, ensure_ascii=False))
