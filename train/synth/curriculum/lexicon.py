"""Plain words of everyday services for the curriculum of the base model; neither of the two domains is among them."""

import random
import re
from pathlib import Path

# One line a group of verbs that ask for the same thing; the first is the one that tool names use most.
VERBS = [
    ["find", "search", "look for", "look up", "show me", "list", "browse", "get me"],
    ["book", "reserve", "schedule", "arrange", "set up", "plan"],
    ["cancel", "call off", "drop", "remove", "delete"],
    ["create", "open", "add", "register", "start", "file", "set up a new"],
    ["update", "change", "modify", "edit", "adjust", "correct"],
    ["check", "get", "see", "tell me about", "look into", "what is"],
    ["send", "mail", "forward", "deliver", "email me"],
    ["compare", "contrast", "put side by side"],
    ["calculate", "compute", "work out", "estimate", "quote", "how much would be"],
    ["order", "buy", "purchase", "get"],
    ["rate", "review", "score"],
    ["request", "ask for", "apply for", "I need", "I want"],
    ["confirm", "approve", "accept"],
    ["track", "follow", "trace", "where is"],
    ["move", "shift", "postpone", "reschedule"],
    ["assign", "give", "hand over", "transfer"],
    ["report", "notify about", "announce", "submit"],
    ["play", "start", "put on"],
    ["translate", "convert", "turn"],
    ["pay", "settle", "transfer money for"],
]

NOUNS = """table room ticket parcel order meeting flight hotel concert movie lesson course book recipe invoice account
appointment reminder event task note playlist song photo album printer laptop phone lamp heating alarm camera garden
plant tree dog cat bird library museum train bus ferry taxi bike tent boat desk chair sofa bed carpet window door
kitchen bath shower dinner lunch breakfast menu pizza salad soup coffee tea wine cake bread cheese fruit basket
package letter stamp card gift voucher refund payment budget loan bank salary contract job candidate interview shift
vacation holiday trip tour guide map route weather forecast storm river lake mountain beach island village city
school class exam grade student teacher doctor dentist nurse clinic pharmacy prescription vaccine allergy diet
workout gym trainer match team player league score stadium subscription membership newsletter report survey form
document folder file backup server database network router password domain website page comment message chat call
channel stream podcast episode game level puzzle toy doll kit tool hammer drill paint brush wall roof floor cellar
shelf box bag bottle glass cup plate fork knife spoon towel blanket pillow shirt dress coat shoe hat glove scarf ring
watch necklace perfume soap candle flower seed soil fence bench bridge tower castle church market shop store stand
stall booth stage ticket show play opera ballet band choir guitar piano drum violin lesson workshop seminar lecture
conference panel talk slide poster banner sticker badge pass permit license visa passport locker shuttle cabin
apartment studio loft house villa garage office building elevator stairs corridor lobby terrace balcony pool sauna
spa massage haircut manicure tattoo portrait sculpture canvas frame print copy scan archive record entry log issue
bug feature release version sprint milestone project client supplier vendor partner branch department unit asset
license device sensor battery cable charger adapter screen keyboard mouse speaker headset microphone""".split()

ADJECTIVES = """new old big small large short long early late quick slow cheap fine light dark warm cold open quiet
busy free full empty soft hard clean fresh dry wet red blue green white black grey brown yellow silver gold local
daily weekly monthly annual public private shared single double main extra special basic standard premium deluxe
simple modern classic rustic urban rural central northern southern eastern western upper lower inner outer first
second third last next final total average maximum minimum preferred original current previous available digital
mobile vegan spicy sweet salty sour""".split()

ENUMS: dict[str, list[str]] = {
    "size": ["small", "medium", "large", "extra_large"],
    "color": ["red", "blue", "green", "black", "white", "silver", "grey"],
    "priority": ["low", "normal", "high", "urgent"],
    "class": ["economy", "business", "first"],
    "method": ["email", "sms", "phone", "post"],
    "payment_method": ["card", "cash", "invoice", "transfer"],
    "type": ["basic", "standard", "premium"],
    "category": ["music", "sport", "food", "travel", "health", "books"],
    "language": ["german", "french", "italian", "english"],
    "status": ["open", "closed", "pending", "done"],
    "unit": ["celsius", "fahrenheit"],
    "period": ["daily", "weekly", "monthly", "yearly"],
    "sort_by": ["price", "date", "rating", "distance"],
    "order": ["ascending", "descending"],
    "format": ["pdf", "html", "text", "csv"],
    "room_type": ["single", "double", "twin", "suite", "family_room"],
    "diet": ["vegan", "vegetarian", "halal", "gluten_free"],
    "material": ["wood", "metal", "glass", "leather", "cotton"],
    "level": ["beginner", "intermediate", "advanced"],
    "view": ["lake", "garden", "street", "mountain"],
    "slot": ["morning", "afternoon", "evening", "night"],
    "condition": ["new", "used", "refurbished"],
    "canton": ["zug", "uri", "jura", "glarus", "valais", "ticino"],
    "power": ["solar", "wind", "water", "gas"],
    "kind": ["question", "complaint", "praise", "broken_part", "noise"],
    "reason": ["illness", "moving", "too_expensive", "no_time"],
    "plan": ["light", "plus", "max"],
    "season": ["spring", "summer", "autumn", "winter"],
    "weekday": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
}

FEATURES = """breakfast parking delivery express gift_wrap notification balcony heating internet pets early_entry
installation cleaning assistance catering projector recording subtitles refundable priority_boarding lunch pickup
storage towels wheelchair_access decaf ice dessert discount signature photo_id online_access copy alarm seat_cushion
extra_bed high_chair flexible_dates reusable_bag tracking newsletter roaming night_light guest_list all_day quiet_zone
""".split()

NAME_LABELS = {
    "text": "title topic place street city town brand artist dish subject label team product destination origin "
    "station make series item neighbourhood venue company school".split(),
    "person": "name guest_name owner contact recipient assignee patient full_name customer_name holder visitor".split(),
    "code": "id reference code number serial ticket_id order_id item_id booking_id case_id stock_id file_id".split(),
    "int": "count quantity guests nights year pages seats floor age duration_minutes months years people chairs "
    "stops max_distance".split(),
    "amount": "price budget max_price min_price amount limit total fee max_amount max_rent deposit value "
    "sum max_fee min_amount".split(),
    "number": "weight distance rate temperature length hours percent".split(),
    "date": "date start_date end_date due_date arrival departure birth_date from_date until deadline".split(),
    "time": "time start_time end_time pickup_time".split(),
    "email": ["email", "email_address", "contact_email"],
    "phone": ["phone", "phone_number", "mobile"],
    "note": "note comment message description remark request details".split(),
    "list": "tags items extras toppings members topics features options services names".split(),
    "object": "customer address contact options details applicant filters person recipient guest preferences".split(),
}

GIVEN = """Ada Ben Cleo Dario Elif Finn Gina Hugo Ines Jonas Kaja Leon Mira Nils Olga Pavel Rosa Sami Tara Urs Vera Wim
Yara Zeno Amir Bea Carl Dana Emil Fay Gus Hana Ivo June Kim Lou Max Nora Otto Pia Quinn Ralf Suri Tom Una""".split()

_ONSETS = "b c d f g h j k l m n p r s t v w z br ch cr dr fl fr gl gr kl kr pl pr sch sh sl st str th tr".split()
_VOWELS = "a e i o u a e i o u ai au ei ie ou ü ö ä é".split()
_ACCENTED = "à á â å ç è ê ë í î ñ ó ô õ ø ć č š ž ğ ł ń ő ș ů ý".split()
_CODAS = "- - - - n r l s t m d k x ng nd rt ss ll ck st tz".split()


SPLICED_SHARE = 0.35


def _long_words() -> tuple[str, ...]:
    """All words of four letters or more that the businesses and their customers use."""
    files = sorted(Path(__file__).with_name("services").iterdir())
    text = " ".join(path.read_text(encoding="utf-8") for path in files)
    return tuple(sorted(set(re.findall(r"[^\W\d_]{4,}", text.lower()))))


_LONG_WORDS = _long_words()


def invented(rng: random.Random, capital: bool = True) -> str:
    """A word that exists nowhere: what a model cannot remember it has to copy.

    One to three syllables, or the beginning of one word and a part of another: so the model also meets, alone, the
    tokens that are otherwise only steps on the way to a longer one.
    """
    word = _spliced(rng) if rng.random() < SPLICED_SHARE else _syllables(rng)
    if rng.random() < 0.1:
        at = rng.randrange(len(word) + 1)
        word = word[:at] + rng.choice(_ACCENTED) + word[at:]
    return word.capitalize() if capital else word


def _syllables(rng: random.Random) -> str:
    count = rng.choice((1, 2, 2, 2, 3, 3))
    return "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS).strip("-") for _ in range(count))


def _spliced(rng: random.Random) -> str:
    """Two to five letters that a word begins with, and as many from anywhere in another."""
    first, second = rng.choice(_LONG_WORDS), rng.choice(_LONG_WORDS)
    begin = rng.randint(0, len(second) - 2)
    return first[: rng.randint(2, 5)] + second[begin : begin + rng.randint(2, 5)]
