"""Deletes raw evidence whose class's time is over."""

from __future__ import annotations

from monitor.jobs.job import JobFacts
from monitor.retention import EvidenceRetention

INTERVAL_S = 6 * 3600


class EvidenceRetentionJob:
    """Looks at one project; how many blobs of each class went is in the run."""

    name = "evidence_retention"
    interval_s = INTERVAL_S

    def __init__(self, retention: EvidenceRetention) -> None:
        self._retention = retention

    def look(self, project: str, facts: JobFacts) -> None:
        """Running it again changes nothing."""
        for name, count in self._retention.delete_due(project).items():
            facts.examined += count
            facts.notes[name] = facts.notes.get(name, 0) + count
