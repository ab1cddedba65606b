"""The claim viewer: the answer with its claims marked, and the list of claims; choosing either tells the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True, slots=True)
class Shown:
    """One claim as it is shown. ``tone`` is a verdict or ``unseen``; ``span`` counts code points of the answer."""

    id: str
    text: str
    span: tuple[int, int] | None
    tone: str
    icon: str
    verdict: str
    side: str


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the answer; ``claim`` is the id of the claim it belongs to."""

    text: str
    claim: str | None
    tone: str
    icon: str
    title: str


def parts_of(answer: str, claims: Sequence[Shown], chosen: str | None) -> list[Part]:
    """Cut the answer at the claims. Where claims overlap the chosen one wins, then the shorter one."""
    owner: list[Shown | None] = [None] * len(answer)
    usable = [claim for claim in claims if claim.span and 0 <= claim.span[0] < claim.span[1] <= len(answer)]
    usable.sort(key=lambda claim: (claim.id != chosen, _length(claim)), reverse=True)
    for claim in usable:
        start, end = claim.span or (0, 0)
        owner[start:end] = [claim] * (end - start)
    parts: list[Part] = []
    seen: set[str] = set()
    start = 0
    for index in range(1, len(answer) + 1):
        if index < len(answer) and owner[index] is owner[start]:
            continue
        holder = owner[start]
        text = answer[start:index]
        if holder is None:
            parts.append(Part(text, None, "", "", ""))
        else:
            parts.append(Part(text, holder.id, holder.tone, "" if holder.id in seen else holder.icon, holder.verdict))
            seen.add(holder.id)
        start = index
    return parts


def _length(claim: Shown) -> int:
    return claim.span[1] - claim.span[0] if claim.span else 0


def _component() -> Callable[..., object]:
    # Registered on every run of the application, as Streamlit asks; the name is the identity.
    return st.components.v2.component(
        "groundwatch.claims",
        html='<div id="root"></div>',
        css=(ASSETS / "viewer.css").read_text(encoding="utf-8"),
        js=(ASSETS / "viewer.js").read_text(encoding="utf-8"),
    )


def show_claims(answer: str, claims: Sequence[Shown], chosen: str | None, key: str) -> str | None:
    """Draw the viewer; returns the id of the claim that was just clicked, else None."""
    data = {
        "parts": [asdict(part) for part in parts_of(answer, claims, chosen)],
        "claims": [asdict(claim) for claim in claims],
        "chosen": chosen,
    }
    result = _component()(data=data, key=key, on_chosen_change=lambda: None)
    clicked = getattr(result, "chosen", None)
    return str(clicked) if clicked is not None else None
