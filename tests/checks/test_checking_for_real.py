"""A running sidecar with a real worker: the client asks before it shows an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundwatch import Client
from tests.serving import Sidecar

pytestmark = pytest.mark.server


def test_the_client_checks_an_answer_before_it_is_shown(tmp_path: Path) -> None:
    sidecar = Sidecar(tmp_path / "data", GROUNDWATCH_DETECTORS='["missing_evidence", "ungrounded_statement"]')
    try:
        sidecar.wait_ready()
        with Client(sidecar.url) as client:
            reply = client.check(
                "As the attached picture shows, the door is green.",
                question="What colour is the door?",
                detectors=["missing_evidence"],
                deadline_s=60,
            )
            assert (reply.verdict, reply.complete, reply.flagged) == ("hallucinated", True, True)
            assert any("picture" in claim.text for claim in reply.claims)
            # A text must be encoded before anything can be said of it, which takes no computer only a millisecond.
            cut_off = client.check(
                "The door was painted red in the autumn.",
                files={"note": b"The door was painted green in the spring of that year. " * 200},
                evidence=[{"id": "note", "media_type": "text/plain"}],
                detectors=["ungrounded_statement"],
                deadline_s=0.001,
            )
            assert (cut_off.verdict, cut_off.complete, cut_off.unfinished) == ("not_checked", False, ("ungrounded_statement",))
        assert sidecar.everything() == []
        assert sidecar.stop()[0] == 0
    finally:
        sidecar.end()
