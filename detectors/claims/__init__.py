"""Finds what an answer claims, with exact character spans: the input of every detector."""

from detectors.claims.extract import complete, extract

__all__ = ["complete", "extract"]
