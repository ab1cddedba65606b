"""``groundwatch erase``: an erasure on a data folder that nothing runs on."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import timedelta
from typing import cast

import msgspec

from monitor.clock import Clock, SystemClock
from monitor.drain import Drain, OnDeadLetter
from monitor.erasure import Erasure, plain
from monitor.evidence import EvidenceStore
from monitor.leader import Leadership
from monitor.metadata.database import Database
from monitor.metadata.erasures import ErasureRecord, Selector
from monitor.metadata.letters import DeadLetters
from monitor.migrate import migrate
from monitor.sealing import PlainFolder, Vault, begin_sealing
from monitor.settings import Settings
from monitor.spool import Spool
from monitor.store.client import Store
from monitor.store.writer import Writer

ACTOR = "command line"


def erase(settings: Settings, project: str, selector: Selector, clock: Clock | None = None) -> ErasureRecord:
    """Store what still waits in the spool, then delete.

    Raises:
        AlreadyRunning: a sidecar owns the folder; it takes ``POST /v1/erasures``.
        RecordInvalid, StoreUnavailable, StorageUnavailable, MetadataUnavailable.
    """
    clock = clock or SystemClock()
    with ExitStack() as closing:
        closing.enter_context(Leadership(settings.data))
        keys = begin_sealing(settings)
        vault = None
        if keys is not None:
            vault = Vault(keys, PlainFolder(settings.plain_dir))
            closing.callback(vault.plain.close)
        migrate(settings)
        database = Database(settings.sqlalchemy_url, keys)
        closing.callback(database.dispose)
        store = Store.open(settings)
        closing.callback(store.close)
        migrate(settings, store)
        kept = timedelta(days=settings.retention_days)
        spool = Spool(settings.spool_path, settings.spool_max_bytes, settings.spool_commit_ms, clock, kept, keys)
        closing.callback(spool.close)
        drain = Drain(spool, Writer(store), clock, cast(OnDeadLetter, DeadLetters(database, clock).add))
        while drain.drain_once():
            pass
        evidence = EvidenceStore(settings.blob_url, settings.max_evidence_bytes, settings.cache_dir, vault)
        return Erasure(settings, store, spool, evidence, database, clock).request(project, selector, ACTOR)


def run(settings: Settings, project: str, selector: Selector, as_json: bool) -> int:
    """Erase and print. Exit code 0 where it is deleted, 1 where something is left to do."""
    erasure = erase(settings, project, selector)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(plain(erasure))).decode() + "\n")
    else:
        counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in erasure.counts.items() if count)
        sys.stdout.write(f"Erasure {erasure.id}: {erasure.state}; deleted {counts or 'nothing'}.\n")
    return 1 if erasure.state == "running" else 0
