"""Opens recordings and videos so that a hostile file reaches nothing but itself.

Only real media containers are opened: playlists and concatenation scripts, which make a decoder open other files, are
not among them. A stream is handed over instead of a path, and no protocol but that stream is allowed, so that neither
other files nor the network can be reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.container import InputContainer

# FFmpeg's names of the formats that carry sound, and of those that carry moving pictures.
SOUND = "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,gsm,loas,matroska,webm,mov,mp3,mpeg,mpegts,ogg,w64,wav,wv"
MOVING = "asf,avi,flv,gif,matroska,webm,mov,mpeg,mpegts,ogg"


@contextmanager
def open_container(path: Path, formats: str = SOUND) -> Iterator[InputContainer]:
    """An open container of one of the formats.

    Raises:
        av.FFmpegError, OSError, ValueError, MemoryError: it is none of them, or damaged; so may decoding it.
    """
    import av

    with (
        path.open("rb") as stream,
        av.open(stream, options={"format_whitelist": formats, "protocol_whitelist": "pipe"}, metadata_errors="ignore") as container,
    ):
        yield container
