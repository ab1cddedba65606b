"""Measures statements against pictures of pages: ``ungrounded_statement`` over texts printed on pages and photographed badly.

Usage: python -m benchmarks.page_statements /path/to/corpora {statements,labels,others} [--documents N] [--rows FILE]

``statements`` prints texts of ``text-grounding`` on pages at run time (three typefaces, three sizes, one column or two) and
degrades copies of them. Asked of each page are sentences taken from it, sentences of other documents, and sentences of it in which
one value or name was changed. ``labels`` asks the corpus's own labelled answers of the text and of its pages. ``others`` gives
receipts, charts and photographs with their answers: pictures that are no pages of prose, of which nothing must be found.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.metrics import roc_auc_score

from benchmarks.spoken_statements import share
from detectors.claims import extract
from detectors.contract import Case, Claim, DetectorOptions, EvidenceFile, Finding
from detectors.grounding.passages import sentence_spans
from detectors.quality.degrade import PICTURE_KINDS, degrade
from detectors.ungrounded_statement import UngroundedStatement

SEED = 5
# A4 at 150 dpi.
WIDTH, HEIGHT, MARGIN, GUTTER = 1240, 1754, 110, 50
FACES = ("DejaVuSerif.ttf", "DejaVuSans.ttf", "")
SIZES = (22, 26, 30)
# Dumps of web pages with their menus, and chats.
NO_PROSE = ("wice", "summedits-samsum")
# Sentences asked about have so many words.
SHORTEST, LONGEST = 8, 40
NUMBER = re.compile(r"(?<![\w.,])\d[\d,.]*\d|(?<![\w.,])\d(?![\w.,])")
NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{3,}(?: [A-Z][a-z]{2,})*")


@dataclass(frozen=True, slots=True)
class Manner:
    """How a text is printed."""

    face: str
    size: int
    columns: int


@dataclass(frozen=True, slots=True)
class Printed:
    """One text as the pictures of its pages, in order; ``held`` is what of it is printed."""

    document: str
    held: str
    manner: Manner
    pages: tuple[EvidenceFile, ...]


def printed(text: str, manner: Manner, most: int = 1) -> tuple[list[Image.Image], str]:
    """The text on at most so many pages, wrapped and cut at a line's end, and the part that is printed."""
    # Pillow's own face where none is named, so that one is there on every system.
    face = ImageFont.truetype(manner.face, manner.size) if manner.face else ImageFont.load_default(manner.size)
    width = (WIDTH - 2 * MARGIN - GUTTER * (manner.columns - 1)) // manner.columns
    lines = [line for paragraph in text.split("\n") for line in [*_wrapped(paragraph, face, width), ""] if line or paragraph.strip()]
    step = round(manner.size * 1.4)
    a_column = (HEIGHT - 2 * MARGIN) // step
    pages, held = [], []
    for first in range(0, min(len(lines), most * manner.columns * a_column), manner.columns * a_column):
        page = Image.new("RGB", (WIDTH, HEIGHT), (252, 251, 248))
        pen = ImageDraw.Draw(page)
        for column in range(manner.columns):
            start = first + column * a_column
            for row, line in enumerate(lines[start : start + a_column]):
                pen.text((MARGIN + column * (width + GUTTER), MARGIN + row * step), line, fill=(25, 25, 30), font=face)
                held.append(line)
        pages.append(page)
    return pages, "\n\n".join(" ".join(part.split("\n")) for part in "\n".join(held).split("\n\n"))


def _wrapped(paragraph: str, face: Any, width: float) -> Iterator[str]:
    line = ""
    for word in paragraph.split():
        if line and face.getlength(f"{line} {word}") > width:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    if line:
        yield line


def evidence_of(picture: Path, identifier: str) -> EvidenceFile:
    """A picture file as evidence."""
    kind = "image/jpeg" if picture.suffix == ".jpg" else "image/png"
    return EvidenceFile(identifier, kind, picture, hashlib.sha256(picture.read_bytes()).hexdigest())


def on_pages(document: str, text: str, manner: Manner, folder: Path, most: int = 1) -> Printed:
    """A text printed into the folder."""
    images, held = printed(text, manner, most)
    pieces = []
    for number, image in enumerate(images, 1):
        path = folder / f"{hashlib.sha256(f'{document} {manner} {most}'.encode()).hexdigest()[:16]}-{number}.png"
        image.save(path)
        pieces.append(evidence_of(path, f"page{number}"))
    return Printed(document, held, manner, tuple(pieces))


def degraded(page: EvidenceFile, kind: str, folder: Path) -> EvidenceFile:
    """A degraded copy of a page; ``straight`` is the page itself."""
    if kind == "straight":
        return page
    copy = degrade(page, kind, SEED)
    path = folder / f"{page.sha256[:16]}-{kind}{'.jpg' if copy.media_type == 'image/jpeg' else '.png'}"
    path.write_bytes(copy.content)
    return evidence_of(path, page.id)


def documents(folder: Path) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """Text and records of each document of one source, by its name."""
    found: dict[str, tuple[str, list[dict[str, Any]]]] = {}
    for line in (folder / "responses.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if len(record["evidence"]) == 1:
            path = folder / record["evidence"][0]["uri"].removeprefix("file:")
            found.setdefault(record["evidence"][0]["sha256"], (path.read_text(encoding="utf-8"), []))[1].append(record)
    return found


def chosen(corpus: Path, count: int) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """So many documents of running text of 100 words and more, the sets in turn."""
    by_set: dict[str, list[tuple[str, str, list[dict[str, Any]]]]] = {}
    for name, (text, records) in documents(corpus / "text-grounding").items():
        kind = records[0]["cohort"]["set"]
        if len(text.split()) >= 100 and kind not in NO_PROSE:
            by_set.setdefault(kind, []).append((name, text, records))
    chance = random.Random(SEED)
    for every in by_set.values():
        chance.shuffle(every)
    turns = [every[number] for number in range(count) for every in by_set.values() if number < len(every)]
    return turns[:count]


def sentences(text: str) -> list[str]:
    """The whole sentences of a text of a length that is asked about."""
    found = [" ".join(text[start:end].split()) for start, end in sentence_spans(text)]
    return [one for one in found if SHORTEST <= len(one.split()) <= LONGEST and one[0].isupper() and one[-1] == "."]


def changed(sentence: str, others: Sequence[str], chance: random.Random) -> str | None:
    """The sentence with one number or one name of it replaced by another of the other sentences; None where it has none."""
    for pattern in (NUMBER, NAME):
        places = list(pattern.finditer(sentence))
        if not places:
            continue
        place = chance.choice(places)
        rest = [match.group() for other in others for match in pattern.finditer(other) if match.group() not in sentence]
        if rest:
            return sentence[: place.start()] + chance.choice(rest) + sentence[place.end() :]
    return None


def asked(text: str, strangers: Sequence[str], chance: random.Random, most: int = 4) -> list[tuple[str, str]]:
    """Truth and statement: at most so many of each kind."""
    own = sentences(text)[:-1]  # the last one may be cut off
    chance.shuffle(own)
    found = [("said", one) for one in own[:most]]
    found += [("not said", one) for one in chance.sample(list(strangers), min(most, len(strangers)))]
    changes = [(one, change) for one in own if (change := changed(one, strangers, chance)) is not None and change not in text]
    return found + [("changed", change) for _, change in changes[:most]]


def statements_of(pages: Sequence[EvidenceFile], statements: Sequence[str]) -> Case:
    """A case whose claims are these statements, the caller's own."""
    answer = " ".join(statements)
    claims, start = [], 0
    for number, one in enumerate(statements):
        claims.append(Claim(f"c{number}", one, (start, start + len(one)), "statement", given=True))
        start += len(one) + 1
    return Case("r", answer, tuple(claims), tuple(pages))


Row = tuple[str, str, str, Finding | None]


def statement_rows(detector: UngroundedStatement, corpus: Path, count: int, folder: Path) -> Iterator[Row]:
    """Kind of copy, truth, document and finding of every statement asked; no finding where the page was not taken for one."""
    texts = chosen(corpus, count)
    chance = random.Random(SEED)
    for number, (name, text, _) in enumerate(texts):
        manner = Manner(FACES[number % len(FACES)], SIZES[number // 3 % len(SIZES)], 1 + number % 2)
        page = on_pages(name, text, manner, folder)
        strangers = [one for other, stranger, _ in texts if other != name for one in sentences(stranger)[:6]]
        statements = asked(page.held, strangers, chance)
        for kind in ("text", "straight", *PICTURE_KINDS):
            if kind == "text":
                path = folder / f"{page.pages[0].sha256[:16]}.txt"
                path.write_text(page.held, encoding="utf-8")
                evidence = EvidenceFile("page1", "text/plain", path, hashlib.sha256(path.read_bytes()).hexdigest())
            else:
                evidence = degraded(page.pages[0], kind, folder)
            (outcome,) = detector.detect([statements_of([evidence], [one for _, one in statements])])
            by_claim = {finding.claim.id: finding for finding in outcome.findings}
            for place, (truth, _) in enumerate(statements):
                yield kind, truth, name, by_claim.get(f"c{place}")


def label_table(detector: UngroundedStatement, corpus: Path, count: int, folder: Path) -> dict[str, Any]:
    """The corpus's labelled answers held against the text and against its pages: how often wrong ones are flagged, and both AUROC."""
    scores: dict[str, list[tuple[str, bool, float]]] = {"text": [], "pages": []}
    unchecked = Counter[str]()
    for number, (name, text, records) in enumerate(chosen(corpus, count)):
        manner = Manner(FACES[number % len(FACES)], SIZES[0], 1 + number % 2)
        pages = on_pages(name, text, manner, folder, most=4)
        path = folder / f"{name[:16]}.txt"
        path.write_text(pages.held, encoding="utf-8")
        plain = EvidenceFile("doc", "text/plain", path, hashlib.sha256(path.read_bytes()).hexdigest())
        for record in records:
            answer = record["answer"]["text"]
            for kind, evidence in (("text", (plain,)), ("pages", pages.pages)):
                claims = extract(answer, {piece.family for piece in evidence})
                findings = detector.detect([Case(record["id"], answer, claims, tuple(evidence))])[0].findings
                for label in record["labels"]:
                    met = [
                        one
                        for one in findings
                        if one.claim.span and one.claim.span[0] < label["span"][1] and label["span"][0] < one.claim.span[1]
                    ]
                    judged = [one.score for one in met if one.score is not None]
                    if judged:
                        scores[kind].append((f"{record['id']}:{label['span']}", label["hallucinated"], max(judged)))
                    else:
                        unchecked[kind] += 1
    both = {key for key, _, _ in scores["text"]} & {key for key, _, _ in scores["pages"]}
    table: dict[str, Any] = {"not checked": dict(unchecked)}
    for kind, rows in scores.items():
        kept = [(wrong, score) for key, wrong, score in rows if key in both]
        wrong, given = np.asarray([one for one, _ in kept]), np.asarray([score for _, score in kept])
        table[kind] = {
            "judged": len(rows),
            "of both": len(kept),
            "auroc": round(float(roc_auc_score(wrong, given)), 3) if 0 < wrong.sum() < len(wrong) else None,
            "wrong flagged": [int((given[wrong] >= detector.calibration.threshold).sum()), int(wrong.sum())],
            "right flagged": [int((given[~wrong] >= detector.calibration.threshold).sum()), int((~wrong).sum())],
        }
    return table


def other_rows(detector: UngroundedStatement, corpus: Path, count: int) -> Iterator[Row]:
    """Corpus, whether a label is true, picture and finding, of pictures that are no pages of prose."""
    for name in ("receipts-sroie", "charts-chocolate", "objects-coco"):
        folder = corpus / name
        records = [json.loads(line) for line in (folder / "responses.jsonl").read_text(encoding="utf-8").splitlines()]
        pictures = list(dict.fromkeys(record["evidence"][0]["sha256"] for record in records))
        random.Random(SEED).shuffle(pictures)
        for record in (one for one in records if one["evidence"][0]["sha256"] in pictures[:count]):
            piece = record["evidence"][0]
            picture = EvidenceFile(piece["id"], piece["media_type"], folder / piece["uri"].removeprefix("file:"), piece["sha256"])
            answer = record["answer"]["text"]
            (outcome,) = detector.detect([Case(record["id"], answer, extract(answer, {"image"}), (picture,))])
            for finding in outcome.findings:
                span = finding.claim.span or (0, 0)
                met = [one["hallucinated"] for one in record["labels"] if one["span"][0] < span[1] and span[0] < one["span"][1]]
                yield name, "wrong" if any(met) else "right" if met else "no label", piece["sha256"], finding
            yield name, "answer", piece["sha256"], None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("what", choices=("statements", "labels", "others"))
    parser.add_argument("--documents", type=int, default=30, help="how many documents, or pictures of each corpus")
    parser.add_argument("--rows", type=Path, help="where each finding is written, one JSON object a line")
    parser.add_argument("--pages", type=Path, help="where pages are kept; a temporary folder without it")
    given = parser.parse_args()
    detector = UngroundedStatement(DetectorOptions(threads=1))
    detector.load()
    with tempfile.TemporaryDirectory() as made:
        folder = given.pages or Path(made)
        if given.what == "labels":
            print(json.dumps(label_table(detector, given.corpus, given.documents, folder), indent=1))
            return
        count = given.documents
        rows = list(
            statement_rows(detector, given.corpus, count, folder)
            if given.what == "statements"
            else other_rows(detector, given.corpus, count)
        )
    if given.rows:
        kept = [json.dumps([kind, truth, name, None if one is None else asdict(one)]) for kind, truth, name, one in rows]
        given.rows.write_text("\n".join(kept), encoding="utf-8")
    for kind, truth in dict.fromkeys((row[0], row[1]) for row in rows):
        mine = [row for row in rows if row[:2] == (kind, truth)]
        verdicts = Counter("no page" if one is None else one.verdict for *_, one in mine)
        flagged = share([(name, one is not None and one.verdict == "hallucinated") for *_, name, one in mine])
        supported = share([(name, one is not None and one.verdict == "supported") for *_, name, one in mine])
        print(f"{kind}, {truth}: n {len(mine)}, {dict(verdicts)}, flagged {flagged}, supported {supported}", flush=True)


if __name__ == "__main__":
    main()
