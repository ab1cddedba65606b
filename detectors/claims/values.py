"""Finds in an answer what a page can confirm or deny: quantities, dates, names and words said to be visible.

A number is a claim about the page only when it is written as one. Enumerations, references (``Figure 3``, ``[2]``) and
small counts before a noun (``2 dogs``) are not; a number in words is one before a currency, a percentage or a measure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from detectors.claims import names
from detectors.claims.amounts import AMOUNT, CLOCK, CURRENCIES, Amount, clock_time, find_amounts
from detectors.claims.dates import find_dates
from detectors.claims.numerals import find_worded
from detectors.contract import Claim, Span

_QUOTED = re.compile(r"“([^”\n]{1,200})”|\"([^\"\n]{1,200})\"|‘([^’\n]{1,200})’|(?<![\w])'([^'\n]{1,200})'(?![\w])|`([^`\n]{1,200})`")
_VISIBLE = re.compile(
    r"\b(?:say(?:s|ing)?|said|read(?:s|ing)?|label(?:s|led|ed)?|text|words?|written|sign|caption(?:ed)?|titled?|head(?:ed|ing|line)|(?<!so-)called|named"
    r"|marked|display(?:s|ed|ing)?|show(?:s|n|ing)?|print(?:s|ed)?|stamped|inscribed|inscription|spell(?:s|ed|ing)?|stat(?:es|ed|ing)|letters?|logo"
    r"|category|field|column|row|section|button|option|question|statement|banner|poster|plate|slogan|message|note|menu|slide|header|footer|line)\b",
    re.IGNORECASE,
)
_UNQUOTED = re.compile(
    r"\b(?:sign|label|caption|banner|poster|plate|title|heading|headline)\s+(?:says|reads)[:\s]+([A-Z0-9][A-Z0-9 !&'-]*[A-Z0-9!])"
    r"(?![A-Za-z0-9])"
)
_REFERENCE = re.compile(
    r"\b(?:no|nos|nr|number|id|ref|reference|code|serial|sku|account|acct|invoice|order|receipt|bill|ticket|booking|tracking|policy|phone|tel"
    r"|telephone|fax|mobile|plate|registration|reg|gst|vat|tax\s+id|iban|swift|zip|postcode|postal\s+code)\.?\s*(?:no|nr|number|id|code|#)?\.?"
    r"\s*(?:is|was|reads|[:#=])\s*#?((?=[A-Z0-9/+() -]*\d)[A-Z0-9+(][A-Z0-9/+()-]*(?:[ -][0-9]{2,}[A-Z0-9]*)*)",
    re.IGNORECASE,
)
_PHONE = re.compile(
    r"(?<![\w+.,])\+\d{1,3}[\s.-]?\(?\d[\d\s().-]{4,}\d(?!\w)"
    r"|(?:\b(?:phone|tel|telephone|fax|mobile|hotline)\.?(?:\s+(?:no|nr|number))?\.?\s+)(\(?\d[\d\s().-]{4,}\d)(?!\w)",
    re.IGNORECASE,
)
_ORDINAL = re.compile(r"(?<![\w.,])(\d{1,3})(?:st|nd|rd|th)(?!\w)")
# What follows a number in words and makes it a value; lengths of time and pieces count the answer's own things.
_WORDED_UNIT = re.compile(
    r"[\s-]\s?(?:(?P<percent>per\s?cent|percent|%)(?!age)|(?P<currency>dollars?|euros?|pounds|ringgit|rupees|yen|cents)"
    r"|(?P<unit>percentage\s+points?|kilograms?|grams?|ounces?|tonnes?|tons?|kilomet(?:er|re)s?|miles?|met(?:er|re)s?|feet|inches|lit(?:er|re)s?"
    r"|gallons?|degrees|calories|watts|volts))\b",
    re.IGNORECASE,
)
_CENTS = re.compile(r"\s+and\s+(?=\w)")
_CENT_WORD = re.compile(r"\s+(?:cents|pence|sen)\b", re.IGNORECASE)
_DENIED = re.compile(
    r"(?:\b(?:not|never|instead\s+of|rather\s+than)|n['’]t)\s+(?:(?:a|an|the|be|exactly|really|actually|only)\s+){0,2}$", re.IGNORECASE
)
# Numbers that count the answer's own parts, not something on the page.
_OWN_NUMBERING = re.compile(
    r"(?:^|\n)[ \t>*#-]*\(?$|\b(?:figure|fig|table|step|page|pages|item|point|part|section|chapter|line|row|column|option|note|image"
    r"|picture|photo|slide|question|answer|exhibit|appendix|top|series|type|phase|day|version|level|the)\.?\s*#?\(?$|\[$|[A-Za-z_]$",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"[\s-]+(?:[a-z]+[\s-]+){0,2}[a-z]{2,}")
_APPROXIMATE = re.compile(
    r"\b(?:about|around|approximately|approx\.?|roughly|nearly|almost|circa|over|under|more\s+than|less\s+than|at\s+least|up\s+to|some|~)\s*$|[~≈]\s*$",
    re.IGNORECASE,
)
_DERIVED = re.compile(
    r"\b(?:by|(?:difference|gap|change|increase|decrease|rise|fall|growth|decline|drop|average|mean|sum|margin)\s+(?:of|is|was))\s+(?:\w+\s+){0,2}$",
    re.IGNORECASE,
)
_ROLES = (
    ("subtotal", r"sub[\s-]?total|net\s+amount|before\s+(?:tax|gst|vat)|excl(?:uding|\.)"),
    ("tax", r"tax|gst|vat|sst|service\s+charge"),
    ("change", r"change(?!d)|balance\s+returned"),
    ("tendered", r"cash\s+(?:tendered|received|given)|tendered|paid\s+with|handed\s+over"),
    ("discount", r"discount|saving|rebate"),
    ("rounding", r"rounding"),
    ("deposit", r"deposit"),
    ("price", r"unit\s+price|price\s+(?:of|each|per)|each|per\s+(?:unit|item|piece)"),
    (
        "total",
        r"total|amount\s+(?:due|paid|payable|charged|billed)|sum\s+of|charged|paid|purchase\s+of|balance\s+due|owe[ds]?|payable|spent|cost|bill",
    ),
    ("due date", r"due(?:\s+date|\s+(?:on|by))|pay(?:able)?\s+by|deadline|expir\w+|valid\s+(?:until|till|to)|best\s+before"),
    ("date", r"dated?|issued|on"),
)
_ROLE_WORDS = tuple((role, re.compile(rf"\b(?:{words})\b", re.IGNORECASE)) for role, words in _ROLES)
_AMOUNT_ROLES = frozenset({"subtotal", "tax", "change", "tendered", "discount", "rounding", "deposit", "price", "total"})
_CLAUSE_END = re.compile(r"[;\n]|\.\s|,\s+(?:and|but|while|with|plus)\s|\band\b")
LARGEST_COUNT = 20


def find(text: str) -> list[Claim]:
    """Quantity, entity and text claims of an answer in reading order, with exact spans.

    Facts of a quantity: ``value`` and ``values`` (readings), ``decimals``, ``currency``, ``unit``, ``role``, ``approximate``,
    ``derived``, ``negated``; of a date: ``date`` (ISO), ``dates`` (all day/month orders); of a time of day: ``clock``. An entity has
    ``how`` and ``role``; a text has ``text`` and perhaps ``role``.
    """
    claims = _visible_texts(text)
    claims += [claim for claim in _references(text) if not _taken(claim, claims)]
    dates = find_dates(text)
    for mention in dates:
        facts = {"date": mention.days[0], "dates": mention.days, "role": _role(text, mention.span, {"due date", "date"})}
        claims += _unless_taken(Claim("", text[slice(*mention.span)], mention.span, "quantity", facts=facts), claims)
    blocked = [claim.span for claim in claims if claim.span]
    for name in names.find_names(text, blocked):
        if name.how == "recogniser" and AMOUNT.fullmatch(text, *name.span):
            continue
        claims.append(Claim("", text[slice(*name.span)], name.span, "entity", facts={"how": name.how, "role": name.role}))
    for match in CLOCK.finditer(text):
        if ":" in match.group() or match["half"]:
            span = (match.start(), match.start() + len(match.group().rstrip()))
            claims += _unless_taken(Claim("", text[slice(*span)], span, "quantity", facts={"clock": clock_time(match)}), claims)
    for amount in [*_worded_amounts(text), *find_amounts(text)]:
        claim = _amount_claim(text, amount)
        if claim is not None:
            claims += _unless_taken(claim, claims)
    for match in _ORDINAL.finditer(text):
        value = float(match[1])
        ordinal = {"value": value, "values": (value,), "decimals": 0, "derived": True}
        claims += _unless_taken(Claim("", match.group(), match.span(), "quantity", facts=ordinal), claims)
    return sorted(claims, key=lambda claim: claim.span or (0, 0))


def _visible_texts(text: str) -> list[Claim]:
    claims: list[Claim] = []
    for match in _QUOTED.finditer(text):
        group = match.lastindex or 1
        inside = match.group(group).strip(" .,;:")
        if any(character.isalnum() for character in inside) and _VISIBLE.search(_sentence_before(text, match.start())):
            start = match.start(group) + match.group(group).index(inside)
            claims.append(Claim("", inside, (start, start + len(inside)), "text", facts={"text": inside}))
    for match in _UNQUOTED.finditer(text):
        claims += _unless_taken(Claim("", match.group(1), match.span(1), "text", facts={"text": match.group(1)}), claims)
    return claims


def _references(text: str) -> list[Claim]:
    """Numbers that name something: invoice numbers, phone numbers, plates. They are compared as text, sign by sign."""
    claims = []
    for match in _REFERENCE.finditer(text):
        value = match.group(1).rstrip(" -/(")
        span = (match.start(1), match.start(1) + len(value))
        if sum(character.isdigit() for character in value) >= 3 and not find_dates(value) and not re.fullmatch(r"\d+[.,]\d\d?", value):
            claims.append(Claim("", value, span, "text", facts={"text": value, "role": "reference"}))
    for match in _PHONE.finditer(text):
        value = (match.group(1) or match.group()).rstrip(" -/(.")
        start = match.start(1) if match.group(1) else match.start()
        facts = {"text": value, "role": "reference"}
        claims += _unless_taken(Claim("", value, (start, start + len(value)), "text", facts=facts), claims)
    return claims


def _worded_amounts(text: str) -> Iterator[Amount]:
    """Amounts whose number is in words ("twenty-five dollars", "five dollars and fifty cents", "fifteen per cent")."""
    numbers = find_worded(text)
    for number in numbers:
        unit = _WORDED_UNIT.match(text, number.span[1])
        if unit is None:
            continue
        end, value, decimals = unit.end(), number.value, 0
        joined = _CENTS.match(text, end) if unit["currency"] else None
        cents = next((one for one in numbers if joined and one.span[0] == joined.end()), None)
        if cents is not None and cents.value < 100 and (word := _CENT_WORD.match(text, cents.span[1])):
            end, value, decimals = word.end(), value + cents.value / 100, 2
        yield Amount(
            span=(number.span[0], end),
            number_span=number.span,
            text=text[number.span[0] : end],
            values=(value,),
            decimals=decimals,
            currency=CURRENCIES.get(unit["currency"].lower()) if unit["currency"] else None,
            unit="%" if unit["percent"] else unit["unit"].lower() if unit["unit"] else None,
        )


def _amount_claim(text: str, amount: Amount) -> Claim | None:
    if amount.currency is None and amount.unit is None and not _stands_for_itself(text, amount):
        return None
    before = text[: amount.span[0]]
    facts = {
        "value": amount.values[0],
        "values": amount.values,
        "decimals": amount.decimals,
        "currency": amount.currency,
        "unit": amount.unit,
        "scaled": amount.scaled,
        "role": _role_beside(text, amount) or _role(text, amount.span, _AMOUNT_ROLES),
        "approximate": bool(_APPROXIMATE.search(before[-20:])),
        "negated": bool(_DENIED.search(before[-30:])),
        "derived": "point" in (amount.unit or "") or bool(_DERIVED.search(before[-60:])),
    }
    return Claim("", text[slice(*amount.span)], amount.span, "quantity", facts=facts)


def _stands_for_itself(text: str, amount: Amount) -> bool:
    """Whether a bare number states a value. Decimals and grouped numbers do; small whole numbers before a noun count things."""
    before, after = text[: amount.number_span[0]], text[amount.number_span[1] :]
    if (
        after[:1].isalpha()
        or after[:2] in ("x ", "× ")
        or (re.match(r"\s?[)\]:]|\.\s|\.$|st\b|nd\b|rd\b|th\b", after) and re.search(r"(?:^|\n)[ \t>*#-]*[(\[]?$", before))
    ):
        return False
    if _OWN_NUMBERING.search(before[-24:] if "\n" not in before[-24:] else before[before.rfind("\n") :]) or re.search(
        r"[\w]-$|[/@#]$", before
    ):
        return False
    if amount.decimals or any(mark in amount.text for mark in ",' "):
        return True
    if re.match(r"\s?\]|[-/]\w|\s*(?:of|out\s+of)\s+\d", after):
        return False
    return not (abs(amount.values[0]) <= LARGEST_COUNT and (_COUNTED.match(after) or _role(text, amount.span, _AMOUNT_ROLES) is None))


def _role_beside(text: str, amount: Amount) -> str | None:
    """The role word right after a percentage: "15% tax" is no total, whatever stands before."""
    if amount.unit != "%":
        return None
    beside = text[amount.span[1] : amount.span[1] + 20]
    return next((role for role, pattern in _ROLE_WORDS if role in _AMOUNT_ROLES and pattern.match(beside.lstrip())), None)


def _role(text: str, span: Span, roles: frozenset[str] | set[str]) -> str | None:
    """What the answer says the value is: the nearest role word before it in its clause, else shortly after it."""
    clause = re.split(r"[;\n]|\.\s", text[max(0, span[0] - 90) : span[0]])[-1]
    best: tuple[int, str] | None = None
    for role, pattern in _ROLE_WORDS:
        if role not in roles:
            continue
        for match in pattern.finditer(clause):
            if best is None or match.end() > best[0]:
                best = (match.end(), role)
    following = _CLAUSE_END.split(text[span[1] : span[1] + 30])[0]
    after = min(
        ((found.start(), role) for role, pattern in _ROLE_WORDS if role in roles and (found := pattern.search(following))), default=None
    )
    if after is not None and (best is None or len(clause) - best[0] > 30):
        return after[1]
    return best[1] if best else None


def _sentence_before(text: str, end: int) -> str:
    return re.split(r"[!?\n]|(?<!\bNo)(?<!\bno)\.\s", text[max(0, end - 160) : end])[-1]


def _taken(claim: Claim, claims: list[Claim]) -> bool:
    return any(claim.span and other.span and claim.span[0] < other.span[1] and other.span[0] < claim.span[1] for other in claims)


def _unless_taken(claim: Claim, claims: list[Claim]) -> list[Claim]:
    return [] if _taken(claim, claims) else [claim]
