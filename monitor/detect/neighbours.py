"""Text evidence of a customer's earlier responses, so that content which leaked from one request into another can be traced.

Kept in memory by the driver as responses pass, a few sources a key and never across projects: nothing is read from the
store for it, and after a restart it begins anew.
"""

from __future__ import annotations

from collections import OrderedDict, deque

import msgspec

from monitor.records import Evidence, ResponseRecord

SESSION = "session_id"
# The last sources of one session or customer that an answer is held against, and how many of those are remembered at all.
MOST_SOURCES, MOST_KEYS = 8, 2000
# Inline texts longer than this would fill the memory; uploaded ones are references.
LONGEST_INLINE = 50_000


class Neighbourhood:
    """Remembers by ``key``: ``session_id`` for the session, any other name for that cohort key, empty for nothing at all."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._kept: OrderedDict[tuple[str, str], deque[Evidence]] = OrderedDict()

    def meet(self, project: str, record: ResponseRecord) -> tuple[Evidence, ...]:
        """Sources of earlier responses under the same key in the same project; then remembers those of this one.

        Their ids are ``response/evidence``. Sources that this response was given itself are left out.
        """
        value = record.session_id if self._key == SESSION else record.cohort.get(self._key)
        if not self._key or not value:
            return ()
        kept = self._kept.setdefault((project, value), deque(maxlen=MOST_SOURCES))
        self._kept.move_to_end((project, value))
        if len(self._kept) > MOST_KEYS:
            self._kept.popitem(last=False)
        own = {_content(piece) for piece in record.evidence}
        found = tuple(piece for piece in kept if _content(piece) not in own)
        known = {_content(piece) for piece in kept}
        for piece in record.evidence:
            if piece.is_text and _content(piece) not in known and len(piece.content or "") <= LONGEST_INLINE:
                kept.append(msgspec.structs.replace(piece, id=f"{record.id}/{piece.id}"[:256]))
        return found


def _content(piece: Evidence) -> str:
    return piece.sha256 or piece.uri or piece.content or ""
