"""Whether text says what a sentence claims: passages, comparison word by word, and a small model over the differences."""
