"""Goes on with erasures that were interrupted, wait for the store, or are due to be looked over again."""

from __future__ import annotations

from monitor.erasure import Erasure
from monitor.jobs.job import JobFacts

INTERVAL_S = 60


class ErasureJob:
    """Takes each unfinished erasure of a project as far as it can be taken."""

    name = "erasure"
    interval_s = INTERVAL_S

    def __init__(self, erasure: Erasure) -> None:
        self._erasure = erasure

    def look(self, project: str, facts: JobFacts) -> None:
        """What cannot be done now stays in its row, and the run says why."""
        for one in self._erasure.unfinished(project):
            facts.examined += 1
            facts.note("erasures", {"id": one.id, "state": self._erasure.go_on(one).state})
