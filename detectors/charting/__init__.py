"""Recovers the model of a chart from its reading and pixels, and holds statements against it."""
