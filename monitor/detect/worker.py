"""The worker process: ``python -m monitor.detect.worker PIPE LIFELINE``, started by :mod:`monitor.detect.child`.

It holds the models, reads evidence and answers; it never touches a database, and nothing it imports opens one. It
ignores SIGINT and SIGTERM, which a terminal or a service manager sends to the whole group: its parent decides when it
ends, by message, by closing the pipe, or by dying.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

from detectors.contract import DetectorUnavailable
from monitor.detect.bench import Bench
from monitor.detect.wire import Broken, Configure, Judge, Judged, Loaded, Ready, ToService, Unavailable, pack, unpack_to_worker

# Answering a request must not wait for a model: workers leave the processor to the service.
_NICENESS = 5
_PARENT_DIED = 3


def main(pipe: int, lifeline: int) -> None:
    """Serve the pipe until it closes."""
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    os.nice(_NICENESS)
    benches: list[Bench] = []
    threading.Thread(target=_die_with_parent, args=(lifeline, benches), name="lifeline", daemon=True).start()
    with Connection(pipe) as connection:
        _serve(connection, benches)
    _close(benches)


def _die_with_parent(lifeline: int, benches: list[Bench]) -> None:
    # Nothing is ever written: the read returns when the last holder of the other end, the parent, is gone. The main
    # thread may be deep in a model then and would not notice its own pipe.
    os.read(lifeline, 1)
    _close(benches)
    os._exit(_PARENT_DIED)


def _close(benches: list[Bench]) -> None:
    for bench in benches:
        bench.close()


def _serve(connection: Connection, benches: list[Bench]) -> None:
    bench: Bench | None = None
    while True:
        try:
            message = unpack_to_worker(connection.recv_bytes())
        except EOFError:
            return
        if isinstance(message, Configure):
            bench = Bench(message.config)
            benches.append(bench)
            connection.send_bytes(pack(Ready()))
        elif isinstance(message, Judge) and bench is not None:
            connection.send_bytes(_answer(bench, message, connection))
        else:
            return


def _answer(bench: Bench, task: Judge, connection: Connection) -> bytes:
    try:
        _load(bench, task.detector, connection)
        folder = None if task.folder is None else Path(task.folder)
        judgements = bench.judge(task.detector, task.records, folder, task.neighbours, task.project) if task.records else []
        return pack(Judged(task.number, tuple(judgements), bench.take_damaged()))
    except DetectorUnavailable as error:
        return pack(Unavailable(task.number, task.detector, str(error)))
    except Exception as error:  # noqa: BLE001 - whatever a model library raises is this batch's failure; the reason is recorded
        traceback.print_exc(file=sys.stderr)
        reason = f"{type(error).__name__}: {error}"[:2000].encode("utf-8", "replace").decode()
        failed: ToService = Broken(task.number, reason)
        if not bench.is_loaded(task.detector):
            failed = Unavailable(task.number, task.detector, f"could not be loaded: {reason}")
        return pack(failed)


def _load(bench: Bench, name: str, connection: Connection) -> None:
    first = not bench.is_loaded(name)
    detector = bench.load(name)
    if first:
        connection.send_bytes(pack(Loaded(name, detector.version, detector.weights_version, detector.stated_costs())))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
    sys.stderr.flush()
    # Model libraries keep threads that make an orderly interpreter shutdown slow or crash it.
    os._exit(0)
