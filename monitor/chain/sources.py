"""The sources of a chain from a folder in which they may lie sealed, such as a data folder's own evidence."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monitor.errors import StorageUnavailable
from monitor.sealing import PlainFolder, Vault, is_sealed_file, keys_for
from monitor.settings import Settings


@contextmanager
def opened_sources(document: Mapping[str, Any], folder: Path, settings: Settings) -> Iterator[Path]:
    """The folder itself, or, where sources of the document lie sealed in it, a private one with all of them open.

    Raises:
        SettingsInvalid: the keys cannot be used.
        EvidenceUnusable: a sealed source does not open.
        StorageUnavailable: no room for them.
    """
    wanted = {source["sha256"] for source in document["sources"]}
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    # A sealed blob is named by the hash of what is in it.
    sealed = {path.name: path for path in files if path.name in wanted and is_sealed_file(path)}
    keys = keys_for(settings) if sealed else None
    if keys is None:
        yield folder
        return
    plain = PlainFolder(settings.plain_dir)
    vault = Vault(keys, plain)
    sources = plain.path / "sources"
    try:
        try:
            sources.mkdir(mode=0o700)
            for path in files:
                name = path.name if path.name in sealed else _hash(path)
                if name in wanted:
                    with vault.lent(sealed.get(name, path), name) as opened:
                        shutil.copyfile(opened, sources / name)
        except OSError as error:
            raise StorageUnavailable(sources, error.strerror or str(error)) from error
        yield sources
    finally:
        plain.close()


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
