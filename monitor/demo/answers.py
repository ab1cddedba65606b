"""What the demo's imaginary products answer, and which of their words are wrong.

Photographs come from scikit-image's installed sample pictures, paper is drawn by :mod:`monitor.demo.pages`, speech is
synthetic and ships with the package. Each answer lists its statements in order: the words, and the error in them or
None where they are true. Latency and prices are made up; the evidence and every verdict are real.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to send. ``statements`` are parts of ``text``: (words, kind of error or None).

    ``evidence`` is a file name; None is an answer whose evidence was never attached.
    """

    workflow: str
    evidence: str | None
    question: str
    text: str
    statements: tuple[tuple[str, str | None], ...]
    risk: str = "assistive"


def _photo(file: str, text: str, *statements: tuple[str, str | None]) -> Answer:
    return Answer("image-qa", file, "What is in this picture?", text, statements)


def _receipt(file: str, text: str, *statements: tuple[str, str | None]) -> Answer:
    return Answer("receipt-extraction", file, "Who issued this receipt, when, and for what total?", text, statements, "authoritative")


def _call(file: str, text: str, *statements: tuple[str, str | None]) -> Answer:
    return Answer("call-summary", file, "What was said, and when?", text, statements, "decision_support")


ANSWERS: tuple[Answer, ...] = (
    _photo("cat.png", "A cat looks into the distance.", ("cat", None)),
    _photo("cat.png", "The picture shows a cat and a laptop.", ("cat", None), ("laptop", "object")),
    _photo("cat.png", "There are a cat and two horses in the photo.", ("cat", None), ("horses", "object")),
    _photo("coffee.png", "A cup of coffee stands on a table, with a spoon beside it.", ("cup", None), ("spoon", None)),
    _photo("coffee.png", "I can see a cup and a bicycle.", ("cup", None), ("bicycle", "object")),
    _photo("coffee.png", "The photo shows a cup, a spoon and an elephant.", ("cup", None), ("spoon", None), ("elephant", "object")),
    _photo("astronaut.png", "A woman in an orange suit smiles at the camera.", ("woman", None)),
    _photo("astronaut.png", "A woman stands next to a horse.", ("woman", None), ("horse", "object")),
    _photo("astronaut.png", "There is a woman and a pizza in this picture.", ("woman", None), ("pizza", "object")),
    _photo("motorcycle.png", "A red motorcycle stands in a garage.", ("motorcycle", None)),
    _photo("motorcycle.png", "A motorcycle is parked next to a bus.", ("motorcycle", None), ("bus", "object")),
    _photo("motorcycle.png", "The scene includes a motorcycle and a giraffe.", ("motorcycle", None), ("giraffe", "object")),
    _photo("cameraman.png", "A man takes a picture in a field.", ("man", None)),
    _photo("cameraman.png", "A man and a sheep are visible in the field.", ("man", None), ("sheep", "object")),
    _photo("rocket.jpg", "There is a rocket on the launch pad.", ("rocket", None)),
    _photo("rocket.jpg", "I can see a rocket and a zebra.", ("rocket", None), ("zebra", "object")),
    _receipt("receipt-1.jpg", "The receipt was issued by Harbour Street Bakery on 14/03/2026. The total is GBP 10.70.",
             ("Harbour Street Bakery", None), ("14/03/2026", None), ("10.70", None)),
    _receipt("receipt-1.jpg", "The receipt was issued by Harbour Street Bakery on 14/03/2026. The total is GBP 16.70.",
             ("Harbour Street Bakery", None), ("14/03/2026", None), ("16.70", "value")),
    _receipt("receipt-1.jpg", "Company: Harbour Street Brewery\nDate: 14/03/2026\nTotal: GBP 10.70",
             ("Harbour Street Brewery", "entity"), ("14/03/2026", None), ("10.70", None)),
    _receipt("receipt-2.jpg", "Company: Northgate Hardware Ltd\nDate: 2 April 2026\nTotal: GBP 19.99",
             ("Northgate Hardware Ltd", None), ("2 April 2026", None), ("19.99", None)),
    _receipt("receipt-2.jpg", "Northgate Hardware Ltd issued this receipt. It is dated 02/04/2025 and the amount due is GBP 19.99.",
             ("Northgate Hardware Ltd", None), ("02/04/2025", "value"), ("19.99", None)),
    _receipt("receipt-2.jpg", "Northgate Hardware Ltd issued this receipt. It is dated 02/04/2026 and the amount due is GBP 8.25.",
             ("Northgate Hardware Ltd", None), ("02/04/2026", None), ("8.25", "value")),
    _receipt("receipt-3.jpg", "Riverside Pharmacy charged GBP 16.34 on 21/05/2026.",
             ("Riverside Pharmacy", None), ("16.34", None), ("21/05/2026", None)),
    _receipt("receipt-3.jpg", "Riverside Pharmacy charged GBP 16.84 on 21/05/2026.",
             ("Riverside Pharmacy", None), ("16.84", "value"), ("21/05/2026", None)),
    _receipt("receipt-4.jpg", "Company: Old Mill Garden Centre\nDate: 09/06/2026\nTotal: GBP 33.55",
             ("Old Mill Garden Centre", None), ("09/06/2026", None), ("33.55", None)),
    _receipt("receipt-4.jpg", "Company: Old Mill Furniture Centre\nDate: 19/06/2026\nTotal: GBP 33.55",
             ("Old Mill Furniture Centre", "entity"), ("19/06/2026", "value"), ("33.55", None)),
    Answer("invoice-extraction", "invoice.pdf", "What is due on this invoice?",
           "Meridian Lab Supplies sent this invoice on 18 June 2026. The amount due is EUR 184.40.",
           (("Meridian Lab Supplies", None), ("18 June 2026", None), ("184.40", None)), "authoritative"),
    Answer("invoice-extraction", "invoice.pdf", "What is due on this invoice?",
           "Meridian Lab Supplies sent this invoice on 18 June 2026. The amount due is EUR 194.40.",
           (("Meridian Lab Supplies", None), ("18 June 2026", None), ("194.40", "value")), "authoritative"),
    _call("call.flac", 'At about 0:05 the agent says "Your order number is four seven one nine two".',
          ("Your order number is four seven one nine two", None)),
    _call("call.flac", 'At about 0:05 the agent says "Your order number is four seven five nine two".',
          ("Your order number is four seven five nine two", "quote")),
    _call("call.flac", 'Around 0:08 the agent promises: "We will refund eighty five dollars by Friday".',
          ("We will refund eighty five dollars by Friday", None)),
    _call("call.flac", 'Around 0:08 the agent promises: "We will refund ninety five dollars by Monday".',
          ("We will refund ninety five dollars by Monday", "quote")),
    _call("meeting.flac", 'At 0:04 someone says "We do not need a second server this year".',
          ("We do not need a second server this year", None)),
    _call("meeting.flac", 'At 0:04 someone says "We do need a second server this year".',
          ("We do need a second server this year", "quote")),
    _call("meeting.flac", 'At 0:01 one hears "The launch is moved to the third of March".',
          ("The launch is moved to the third of March", None)),
    _call("meeting.flac", 'At 0:01 one hears "Please send the report to Daniel before noon".',
          ("Please send the report to Daniel before noon", "time")),
)  # fmt: skip

# A client that lost the upload: the newest answers of the run speak of a picture that nobody logged.
UNATTACHED: tuple[Answer, ...] = tuple(
    Answer("image-qa", None, "What is in this picture?", text, ())
    for text in ("A dog sleeps on the sofa.", "Two people cross a street.", "The photo shows a bowl of fruit.")
)
