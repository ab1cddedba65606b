"""Evidence: blobs under the SHA-256 of their content, and the rules for references to evidence elsewhere."""

from monitor.evidence.blobs import BlobCache, Incoming
from monitor.evidence.references import ReferenceReader, reference_allowed
from monitor.evidence.store import EvidenceStore, StoredBlob

__all__ = [
    "BlobCache",
    "EvidenceStore",
    "Incoming",
    "ReferenceReader",
    "StoredBlob",
    "reference_allowed",
]
