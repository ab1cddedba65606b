"""References to evidence elsewhere: only under prefixes that the operator allowed, never inward, never unbounded.

An ``https:`` reference is fetched without redirects and without proxies, and the connection is made to the address
that was checked: a name that resolves to a private, loopback or link-local address is refused, and it cannot resolve
to another one between the check and the use. ``s3:`` and ``gs:`` go through fsspec with the operator's credentials.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec.core
import httpcore

from monitor.errors import EvidenceRefused, EvidenceTooSlow
from monitor.evidence.blobs import BlobCache
from monitor.evidence.faults import Faults

_NOT_ALLOWED = "Upload the file, or add its prefix to GROUNDWATCH_EVIDENCE_PREFIXES"
_SCHEMES = ("https", "s3", "gs")
_CONNECT_S = 5.0
_READ_S = 20.0
_TOTAL_S = 60.0
_CHUNK = 1 << 20
# Networks translate these addresses (RFC 6052) to the IPv4 address in their last 32 bits.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def reference_allowed(uri: str, prefixes: Sequence[str]) -> bool:
    """Whether a reference lies under one of the operator's prefixes.

    A prefix ends at a path boundary (``s3://bucket`` does not allow ``s3://bucket-of-others``), a reference that climbs
    with ``..`` lies nowhere, and one that carries a user name is never allowed.
    """
    if ".." in re.split(r"[/\\]|%2f|%5c", re.sub("%2e", ".", uri, flags=re.IGNORECASE), flags=re.IGNORECASE):
        return False
    parts = urlsplit(uri)
    if parts.scheme not in _SCHEMES or "@" in parts.netloc or "\\" in uri:
        return False
    return any(uri == prefix or uri.startswith(prefix if prefix.endswith("/") else prefix + "/") for prefix in prefixes if prefix)


def is_public(address: str) -> bool:
    """Whether an address, and the IPv4 address that a translator or tunnel would take out of it, belongs to the public network."""
    found = ipaddress.ip_address(address)
    within: list[ipaddress.IPv4Address | None] = []
    if isinstance(found, ipaddress.IPv6Address):
        within = [found.ipv4_mapped, found.sixtofour, found.teredo[1] if found.teredo else None]
        if found in _NAT64:
            within.append(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
    return all(one.is_global and not one.is_multicast for one in (found, *within) if one is not None)


class PublicNetwork(httpcore.NetworkBackend):
    """Connects to public addresses only, and to exactly the address it checked."""

    def __init__(self) -> None:
        self._wire = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise EvidenceRefused(host, f"its name cannot be resolved ({error})", "Check the reference") from error
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            # One private address among public ones is as good as a private one: whoever owns the name chooses.
            if not is_public(address.split("%")[0]):
                raise EvidenceRefused(host, f"reference not allowed: it leads to {address}, which is not a public address", _NOT_ALLOWED)
        return self._wire.connect_tcp(addresses[0], port, timeout, local_address, socket_options)


class ReferenceReader:
    """Fetches allowed references into a cache of local files.

    Args:
        prefixes: what the operator allowed.
        max_bytes: largest file that is read.
        cache: where the files go, under the hash of their content.
        network: how ``https:`` connections are made.
    """

    def __init__(self, prefixes: Sequence[str], max_bytes: int, cache: BlobCache, network: httpcore.NetworkBackend | None = None) -> None:
        self._prefixes = tuple(prefixes)
        self._max_bytes = max_bytes
        self._cache = cache
        self._network = network or PublicNetwork()
        self._faults = Faults()

    def fetch(self, uri: str) -> Path:
        """The referenced file as a local copy named by its hash.

        Raises:
            EvidenceRefused: not allowed, not reachable, redirected, too large or not there, now or a moment ago.
            EvidenceTooSlow: it did not arrive in time.
            StorageUnavailable: the cache cannot be written.
        """
        if not reference_allowed(uri, self._prefixes):
            raise EvidenceRefused(uri[:200], "reference not allowed", _NOT_ALLOWED)
        self._faults.raise_known(uri)
        try:
            return self._by_https(uri) if uri.startswith("https:") else self._by_fsspec(uri)
        except EvidenceRefused as error:
            self._faults.add(uri, error)
            raise

    def _by_https(self, uri: str) -> Path:
        timeouts = {"connect": _CONNECT_S, "read": _READ_S, "write": _READ_S, "pool": _CONNECT_S}
        headers = [("accept-encoding", "identity"), ("user-agent", "groundwatch")]
        started = time.monotonic()
        try:
            with (
                httpcore.ConnectionPool(network_backend=self._network) as pool,
                pool.stream("GET", uri, headers=headers, extensions={"timeout": timeouts}) as response,
                self._cache.receive(self._max_bytes, uri[:200]) as incoming,
            ):
                if response.status != 200:
                    problem = "redirects are not followed" if 300 <= response.status < 400 else f"the server answered {response.status}"
                    raise EvidenceRefused(uri[:200], problem, "Send a reference that answers 200, or upload the file")
                encoding = (
                    {name.lower(): value for name, value in response.headers}.get(b"content-encoding", b"identity")
                    .decode("latin-1")
                    .lower()
                )
                if encoding != "identity":
                    # Asked for as it is, it came packed all the same: its bytes are not the file's.
                    problem = f"the server packs it ({encoding[:40]}), and what is packed is not unpacked"
                    raise EvidenceRefused(uri[:200], problem, "Serve it as it is, or upload the file")
                for chunk in response.iter_stream():
                    incoming.write(chunk)
                    if time.monotonic() - started > _TOTAL_S:
                        raise EvidenceTooSlow(uri[:200], f"was not read within {_TOTAL_S:.0f} s", "Upload the file")
                return self._cache.keep(incoming)
        except httpcore.TimeoutException as error:
            raise EvidenceTooSlow(uri[:200], f"did not answer in time ({type(error).__name__})", "Check the reference") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise EvidenceRefused(uri[:200], f"cannot be fetched ({type(error).__name__}: {error})", "Check the reference") from error

    def _by_fsspec(self, uri: str) -> Path:
        try:
            files, path = fsspec.core.url_to_fs(uri)
            with files.open(path, "rb") as stream, self._cache.receive(self._max_bytes, uri[:200]) as incoming:
                while chunk := stream.read(_CHUNK):
                    incoming.write(chunk)
                return self._cache.keep(incoming)
        except ImportError as error:
            raise EvidenceRefused(uri[:200], f"cannot be read here ({error})", "Install the fsspec package for it (s3fs, gcsfs)") from error
        except OSError as error:
            raise EvidenceRefused(uri[:200], f"cannot be fetched ({error})", "Check the reference and the service's credentials") from error
