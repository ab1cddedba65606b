"""Reads the words off page evidence: pictures and PDFs in, lines with their places out."""

from detectors.reading.lines import Line, Reading
from detectors.reading.pages import open_pages
from detectors.reading.readers import FastReader, SecondReader

__all__ = ["FastReader", "Line", "Reading", "SecondReader", "open_pages"]
