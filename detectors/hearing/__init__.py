"""Hears recordings: decoding, two recognisers with word times, aligning claimed words, scoring them against the sound."""
