"""Tells words that are written in a video (captions, signs, title cards) from words that are spoken in it."""

from __future__ import annotations

import re

# What carries writing in a picture.
_CARRIER_WORDS = """
screen caption subtitle title card text word message sign banner headline label logo slide poster billboard overlay display
monitor chyron ticker watermark placard board whiteboard blackboard heading credits
"""
CARRIERS = frozenset(_CARRIER_WORDS.split())
_CARRIER = (
    r"(?:on[\s-]?screen|screens?|captions?|subtitles?|titles?|title\s+cards?|texts?|words?|messages?|signs?|banners?|headlines?|labels?|logos?"
    r"|slides?|posters?|billboards?|overlays?|displays?|monitors?|chyrons?|tickers?|watermarks?|placards?|(?:white|black)?boards?|headings?|credits)"
)
_SHOWN = (
    r"(?:says?|saying|reads?|reading|shows?|showing|shown|displays?|displayed|displaying|appears?|appearing|visible|seen|written"
    r"|printed|with|is|are|ends?|begins?|opens?)"
)
_ON_SCREEN = re.compile(rf"\b{_CARRIER}\b[^.!?]{{0,50}}?\b{_SHOWN}\b|\b{_SHOWN}\b[^.!?]{{0,50}}?\b{_CARRIER}\b", re.IGNORECASE)
_VOICE = re.compile(
    r"\b(?:speaker|narrator|voice|announcer|commentator|he|she|they|man|woman|men|women|boy|girl|person|host|reporter|interview\w+)\b"
    r"[^.!?]{0,30}\b(?:says?|said|saying|asks?|asked|shouts?|tells?|told|replies|replied|whispers?|speaks?|states?|announces?)\b",
    re.IGNORECASE,
)


def is_written(sentence: str) -> bool:
    """Whether a sentence about a video (its quotes may be left in) tells of words to be read, and of nobody who says them."""
    return bool(_ON_SCREEN.search(sentence)) and not _VOICE.search(sentence)
