"""The chain of evidence of one response: what was said, on what it rests, who judged it how, sealed with a digest."""
