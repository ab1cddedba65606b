"""Sees what a picture shows: a COCO object detector, an open-vocabulary verifier, and the words for what they know."""
