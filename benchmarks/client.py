"""Processor time of `import groundwatch`, beside that of httpx, its transport: `python -m benchmarks.client [--rounds 9]`.

Each import runs in a process of its own, in turns, without click and rich (httpx loads them for its own command where they
are installed; the base install has neither). Prints the median of each in milliseconds, and their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

MODULES = ("groundwatch", "httpx")


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = [[spent_ms(module) for module in MODULES] for _ in range(parser.parse_args().rounds)]
    ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"groundwatch {ours:.0f} ms, httpx {theirs:.0f} ms, ratio {ours / theirs:.2f}")


def spent_ms(module: str) -> float:
    """Processor time of one import in a fresh interpreter."""
    script = "import sys, time; sys.modules['click'] = sys.modules['rich'] = None; started = time.process_time()"
    script += f"; import {module}; print(1000 * (time.process_time() - started))"
    return float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
