"""Files that are whole on the disk when a call returns, not only in the cache, which a power cut empties.

A file's content is safe once the file is synced, its name once the folder that holds it is.
"""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """The names in a folder, or the content of a file, are on the disk afterwards. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(root: Path) -> None:
    """Everything below a folder, and its own names, are on the disk afterwards. Raises OSError."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                sync(path)
        sync(Path(folder))


def write_synced(path: Path, content: bytes, mode: int = 0o640) -> None:
    """Replace a file at once: a kill or a power cut leaves the old content or the new. Raises OSError; then the old one stays."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    # A killed process that had our number may have left one; numbers repeat in containers.
    partial.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    sync(path.parent)
