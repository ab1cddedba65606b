"""Starting a process of our own beside the service.

By exec with a pipe, not by :class:`multiprocessing.Process`: a spawned Process imports the parent's main module again, which
in the service would load chDB and the whole API, and a forked child of a process that holds chDB hangs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path


def start_module(
    module: str, *arguments: str, pass_fds: Collection[int], environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """``python -m module arguments…`` with these file descriptors open, and ``environment`` over the own one. Raises OSError."""
    # The child must find the very packages this process runs, wherever they came from.
    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        pass_fds=tuple(pass_fds),
        env={**os.environ, "PYTHONPATH": paths, **(environment or {})},
        stdin=subprocess.DEVNULL,
        # Libraries print; our standard output may be somebody's JSON.
        stdout=2,
    )
