"""What a start costs: `python -m benchmarks.start [--rounds 5]`.

Starts the real sidecar on a data folder that was used before, without detection workers, and prints the medians of: seconds
until it is ready, processor seconds of that, processor seconds of its imports alone, and resident memory in MB then.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.serving import ROOT, Sidecar


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        sidecar = Sidecar(Path(folder) / "data")
        try:
            sidecar.wait_ready()
            starts = [start(sidecar) for _ in range(rounds)]
        finally:
            sidecar.end()
    ready, processor, memory = (statistics.median(column) for column in zip(*starts, strict=True))
    imports = statistics.median(imports_s() for _ in range(rounds))
    print(json.dumps({"ready_s": round(ready, 2), "processor_s": processor, "imports_processor_s": imports, "memory_mb": round(memory)}))


def start(sidecar: Sidecar) -> tuple[float, float, float]:
    """Stop it and start it again: seconds, processor seconds, resident MB."""
    sidecar.stop()
    began = time.perf_counter()
    sidecar.restart()
    ready = time.perf_counter() - began
    process = Path(f"/proc/{sidecar.process.pid}")
    user, system = process.joinpath("stat").read_text().rsplit(")", 1)[-1].split()[11:13]
    pages = int(process.joinpath("statm").read_text().split()[1])
    return ready, (int(user) + int(system)) / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def imports_s() -> float:
    """Processor seconds of importing the sidecar in a fresh interpreter, as ``serve`` does: without the garbage collector."""
    script = "import gc, time; gc.disable(); import monitor.app; print(time.process_time())"
    return float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT).stdout)


if __name__ == "__main__":
    main()
