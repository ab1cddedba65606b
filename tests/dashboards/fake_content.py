"""What the fake API holds: a week of responses of four products, with findings, reviews, alerts and jobs."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.api import models
from tests.dashboards.fake_scenes import Blob

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> [click](javascript:alert(1)) "
    "![pic](http://127.0.0.1:9/x.png) $x^2$ :red[red] :smile: **bold** `code` <b>b</b>"
)
DETECTORS = ("object_hallucination", "ocr_mismatch", "quote_mismatch")
FAILURES = {
    "object_hallucination": "names an object the picture does not show",
    "ocr_mismatch": "states a text or number that is not on the page",
    "quote_mismatch": "quotes what was not said, or at another time",
    "clip_contradiction": "describes what the picture contradicts",
}
Claim = tuple[str, str, str, float | None, dict[str, Any]]

# workflow → (evidence, family, detector, risk, question, [answer with its claims: words, kind, verdict, score, where])
PRODUCTS: dict[str, tuple[str, str, str, str, str, list[tuple[str, list[Claim]]]]] = {
    "receipt-extraction": (
        "receipt",
        "image",
        "ocr_mismatch",
        "authoritative",
        "Who issued this receipt, when, and for what total?",
        [
            (
                "Harbour Street Bakery issued this receipt on 14/03/2026. The total is GBP 16.70.",
                [
                    (
                        "Harbour Street Bakery",
                        "entity",
                        "supported",
                        0.04,
                        {"region": (0.16, 0.04, 0.68, 0.07), "quote": "HARBOUR STREET BAKERY"},
                    ),
                    ("14/03/2026", "quantity", "supported", 0.06, {"region": (0.09, 0.2, 0.32, 0.07), "quote": "Date: 14/03/2026"}),
                    ("16.70", "quantity", "hallucinated", 0.93, {"region": (0.74, 0.71, 0.18, 0.07), "quote": "10.70", "error": "value"}),
                ],
            ),
            (
                "Company: Harbour Street Bakery\nDate: 14/03/2026\nTotal: GBP 10.70",
                [
                    ("Harbour Street Bakery", "entity", "supported", 0.04, {"region": (0.16, 0.04, 0.68, 0.07)}),
                    ("10.70", "quantity", "supported", 0.03, {"region": (0.74, 0.71, 0.18, 0.07)}),
                ],
            ),
        ],
    ),
    "image-qa": (
        "scene",
        "image",
        "object_hallucination",
        "assistive",
        "What is in this picture?",
        [
            (
                "A red mug stands on a wooden table next to a laptop and a plant, by a window.",
                [
                    ("mug", "object", "supported", 0.08, {"region": (0.42, 0.5, 0.14, 0.22)}),
                    ("laptop", "object", "hallucinated", 0.88, {"error": "object"}),
                    ("plant", "object", "supported", 0.11, {"region": (0.7, 0.27, 0.19, 0.45)}),
                    ("window", "object", "not_checked", None, {"reason": "outside_vocabulary"}),
                ],
            ),
            (
                "A red mug and a plant stand on a table.",
                [
                    ("mug", "object", "supported", 0.08, {"region": (0.42, 0.5, 0.14, 0.22)}),
                    ("plant", "object", "supported", 0.11, {"region": (0.7, 0.27, 0.19, 0.45)}),
                ],
            ),
        ],
    ),
    "invoice-extraction": (
        "invoice",
        "pdf",
        "ocr_mismatch",
        "authoritative",
        "What is due on this invoice?",
        [
            (
                "Meridian Lab Supplies sent this invoice on 18 June 2026. The amount due is EUR 194.40.",
                [
                    ("18 June 2026", "quantity", "supported", 0.05, {"region": (0.65, 0.29, 0.27, 0.04), "page": 1}),
                    (
                        "EUR 194.40",
                        "quantity",
                        "hallucinated",
                        0.91,
                        {"region": (0.7, 0.43, 0.22, 0.04), "page": 2, "quote": "EUR 184.40", "error": "value"},
                    ),
                ],
            ),
            (
                "The amount due is EUR 184.40.",
                [("EUR 184.40", "quantity", "supported", 0.02, {"region": (0.7, 0.43, 0.22, 0.04), "page": 2})],
            ),
        ],
    ),
    "meeting-summary": (
        "speech",
        "audio",
        "quote_mismatch",
        "decision_support",
        "What was decided, and when was it said?",
        [
            (
                'At 0:04 someone says "We do need a second server this year". At 0:01: "The launch is moved to the third of March".',
                [
                    (
                        "We do need a second server this year",
                        "quote",
                        "hallucinated",
                        0.84,
                        {"time": (4.08, 6.55), "quote": "We do not need a second server this year", "error": "quote"},
                    ),
                    (
                        "The launch is moved to the third of March",
                        "quote",
                        "supported",
                        0.02,
                        {"time": (0.6, 3.08), "quote": "the launch is moved to the third of March"},
                    ),
                ],
            ),
            (
                'At 0:07: "Please send the report to Daniel before noon".',
                [("Please send the report to Daniel before noon", "quote", "supported", 0.03, {"time": (7.55, 10.46)})],
            ),
        ],
    ),
}


def build(now: datetime, blobs: dict[str, Blob], count: int = 420) -> list[models.ResponseDetail]:
    """``count`` responses over the week before ``now``, newest first; a night without traffic; a worse release at the end."""
    chance = random.Random(7)
    made = []
    for number in range(count):
        age = timedelta(hours=168 * number / count + chance.uniform(0, 0.3))
        when = now - age - timedelta(minutes=2)
        if 30 < age.total_seconds() / 3600 < 41:
            continue
        made.append(_response(number, when, chance, blobs))
    made.append(_hostile(now - timedelta(minutes=1), blobs))
    return sorted(made, key=lambda detail: detail.row.time, reverse=True)


def _response(number: int, when: datetime, chance: random.Random, blobs: dict[str, Blob]) -> models.ResponseDetail:
    workflow = chance.choice(list(PRODUCTS))
    recent = (datetime.now(UTC) - when) < timedelta(hours=9)
    share = 0.3 if recent and workflow == "receipt-extraction" else 0.07
    bad = chance.random() < share
    kind = chance.random()
    state = "judged" if kind < 0.88 else "abstained" if kind < 0.93 else "failed" if kind < 0.95 else "pending"
    release = "2026.11.2" if recent else "2026.11.1"
    device = chance.choice(("ios", "android", "web"))
    base = chance.lognormvariate(7.1, 0.45) * (1.35 if recent else 1)
    return detail_of(
        f"r-{number:05d}", when, workflow, 0 if bad else 1, state, release, device, base, blobs, unpriced=chance.random() < 0.1
    )


def detail_of(
    response_id: str,
    when: datetime,
    workflow: str,
    variant: int,
    state: str,
    release: str,
    device: str,
    milliseconds: float,
    blobs: dict[str, Blob],
    unpriced: bool = False,
) -> models.ResponseDetail:
    """One response in full; ``state`` is an outcome state or ``pending``."""
    source, family, detector, risk, question, answers = PRODUCTS[workflow]
    answer, claims = answers[variant]
    judged = state == "judged"
    views = [_claim(index, claim, answer, detector, source) for index, claim in enumerate(claims)] if judged else []
    scores = [view.score for view in views if view.score is not None]
    verdict = "not_checked" if not judged else "hallucinated" if any(view.verdict == "hallucinated" for view in views) else "supported"
    flagged = [detector] if verdict == "hallucinated" else []
    states = {} if state == "pending" else {name: (state if name == detector else "not_applicable") for name in DETECTORS}
    stages = [
        ("upload", 0.06, 200.0),
        ("preprocess", 0.1, 300.0),
        ("retrieve", 0.14, None),
        ("infer", 0.62, 1200.0),
        ("postprocess", 0.08, 150.0),
    ]
    usage = [
        models.UsageView(item="input tokens", quantity=1840, unit="tokens", modality="text", cost=0.00276, currency="USD"),
        models.UsageView(item="picture tokens", quantity=765, unit="tokens", modality="image", cost=0.00115, currency="USD"),
        models.UsageView(
            item="output tokens",
            quantity=96,
            unit="tokens",
            modality="text",
            cost=None if unpriced else 0.00072,
            currency=None if unpriced else "USD",
        ),
    ]
    quality = None if state == "pending" else quality_of(state, verdict, milliseconds)
    row = models.ResponseRow(
        id=response_id,
        time=when,
        workflow=workflow,
        risk=risk,
        model="aurora-vision-2",
        release=release,
        cohort={"device": device, "region": "eu"},
        modalities=[family],
        answer_excerpt=answer[:160],
        verdict=verdict,
        max_score=max(scores, default=None),
        flagged_detectors=flagged,
        states=states,
        duration_ms=milliseconds,
        cost=sum(item.cost or 0 for item in usage),
        currency="USD",
        unpriced_items=int(unpriced),
        fallback=None,
        input_quality=quality.grade if quality else None,
    )
    outcomes = [
        models.OutcomeView(
            detector=name,
            detector_version="1",
            weights_version="2026.1",
            state=ended,
            claims_checked=len(scores) if name == detector and judged else 0,
            reason=None
            if ended == "judged"
            else {"abstained": "picture too small to read", "failed": "worker died twice on this item"}.get(
                ended, "no evidence of its kind"
            ),
            claims_flagged=sum(view.verdict == "hallucinated" for view in views) if name == detector else 0,
            duration_ms=412.0,
            finished_at=when + timedelta(seconds=9),
        )
        for name, ended in states.items()
    ]
    blob = blobs[source]
    sources = [
        models.EvidenceView(
            id=source,
            media_type=blob.media_type,
            family=family,
            role="source",
            title=f"{source}.{blob.media_type.split('/')[1]}",
            sha256=blob.sha256,
            url=f"/v1/evidence/{blob.sha256}",
            metadata={"pages": 2} if family == "pdf" else {},
            quality=quality,
        ),
        models.EvidenceView(
            id="context",
            media_type="text/plain",
            family="text",
            role="source",
            title="context.txt",
            sha256=None,
            url=None,
            text="Notes kept with the request. Amounts are in the currency printed on the page. Nothing else is known.",
        ),
    ]
    return models.ResponseDetail(
        row=row,
        question=question,
        answer=answer,
        claims=views,
        evidence=sources,
        outcomes=outcomes,
        pending=list(DETECTORS) if state == "pending" else [],
        stages=[
            models.StageView(name=name, duration_ms=milliseconds * part, budget_ms=budget, status="ok") for name, part, budget in stages
        ],
        usage=usage,
        verdicts=[],
        review_item=None,
        attributes={"request_region": "eu-west-1", "retries": 0},
        received_at=when + timedelta(milliseconds=120),
    )


def quality_of(state: str, verdict: str, milliseconds: float) -> models.EvidenceQualityView:
    """What cannot be read is very dark; of the others some are blurred, more of the flagged ones."""
    measures = {"mean_level": 118.0, "sharpness": 1.2}
    blurred = int(milliseconds * 1000) % 100 < (45 if verdict == "hallucinated" else 12)
    if state == "abstained":
        dark = models.QualityProblemView(name="dark", grade="unusable", text="the picture is very dark (mean level 9 of 255)")
        return models.EvidenceQualityView(grade="unusable", problems=[dark], measures=measures | {"mean_level": 9.0})
    if blurred:
        soft = models.QualityProblemView(name="blurred", grade="poor", text="the picture is blurred (sharpness 0.05)")
        return models.EvidenceQualityView(grade="poor", problems=[soft], measures=measures | {"sharpness": 0.05})
    return models.EvidenceQualityView(grade="good", problems=[], measures=measures)


def _claim(index: int, claim: Claim, answer: str, detector: str, source: str) -> models.ClaimView:
    words, kind, verdict, score, where = claim
    start = answer.index(words)
    found = {
        "hallucinated": f"“{words}” is not borne out by the evidence",
        "supported": f"“{words}” was found",
        "not_checked": "could not be looked for",
    }[verdict]
    finding = models.FindingView(
        detector=detector,
        verdict=verdict,
        score=score,
        error=where.get("error"),
        reason=where.get("reason"),
        explanation=found,
        evidence_id=source,
        region=where.get("region"),
        time=where.get("time"),
        page=where.get("page"),
        evidence_span=None,
        quote=where.get("quote"),
        duration_ms=137.0,
    )
    return models.ClaimView(
        id=f"c{index + 1}", text=words, kind=kind, span=(start, start + len(words)), verdict=verdict, score=score, findings=[finding]
    )


def _hostile(when: datetime, blobs: dict[str, Blob]) -> models.ResponseDetail:
    """A response whose every text tries to be markup."""
    detail = detail_of("hostile-1", when, "image-qa", 0, "judged", "2026.11.2", "web", 1500.0, blobs)
    claim = detail.claims[1].model_copy(update={"text": HOSTILE, "span": (0, len(HOSTILE))})
    finding = claim.findings[0].model_copy(update={"explanation": HOSTILE, "quote": HOSTILE, "detector": "object_hallucination"})
    marked = finding.model_copy(update={"detector": "source_confusion", "evidence_id": "context", "region": None, "evidence_span": (8, 60)})
    row = detail.row.model_copy(
        update={
            "answer_excerpt": HOSTILE,
            "workflow": "<i>hostile</i> :smile: $y$",
            "cohort": {"tenant": "<script>x</script> :smile:"},
            "model": "[m](javascript:1)",
            "release": "<b>v</b>",
        }
    )
    source = detail.evidence[0].model_copy(update={"title": "<img src=x onerror=alert(1)>.png $z$"})
    return detail.model_copy(
        update={
            "row": row,
            "answer": HOSTILE,
            "question": HOSTILE,
            "claims": [claim.model_copy(update={"findings": [finding, marked]}), detail.claims[0]],
            "evidence": [source, detail.evidence[1].model_copy(update={"text": HOSTILE, "title": HOSTILE})],
            "attributes": {"<b>k</b>": HOSTILE},
            "stages": [models.StageView(name="<b>infer</b>", duration_ms=1500, budget_ms=900, status="timeout")],
        }
    )
