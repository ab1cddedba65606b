"""Scores labelled corpora through the service's own detectors, without the service."""

from monitor.evaluate.corpus import Corpus, CorpusRefused, read_corpus
from monitor.evaluate.evaluation import evaluate, run
from monitor.evaluate.metrics import Measure
from monitor.evaluate.report import CorpusReport

__all__ = ["Corpus", "CorpusRefused", "CorpusReport", "Measure", "evaluate", "read_corpus", "run"]
