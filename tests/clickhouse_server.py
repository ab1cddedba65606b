"""A ClickHouse server for tests: chDB's engine behind ClickHouse's HTTP interface, in a process of its own.

    python -m tests.clickhouse_server --port 8123 --path /tmp/clickhouse

It takes what clickhouse-connect sends (statement in the body or in ``query``, settings and ``param_…`` in the address, inserts as
``INSERT … FORMAT Native`` followed by the data) and answers as the server does: data in the asked format, errors with
``X-ClickHouse-Exception-Code``. Missing are users, sessions, other
compression than lz4, and progress headers.
"""

from __future__ import annotations

import argparse
import email
import email.policy
import re
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb
import httpx
import lz4.frame

from tests.serving import ROOT, free_port

# Parameters of the interface that are no settings of a query.
_OF_THE_INTERFACE = {
    "query", "database", "user", "password", "session_id", "query_id", "quota_key", "default_format", "wait_end_of_query",
    "client_protocol_version", "enable_http_compression", "send_progress_in_http_headers", "http_headers_progress_interval_ms",
    "compress", "decompress", "buffer_size", "stacktrace", "role",
}  # fmt: skip
_INSERT = re.compile(rb"(INSERT INTO .*?) (FORMAT \w+)\n", re.DOTALL)
_CODE = re.compile(r"Code: (\d+)")
_TURN = threading.Lock()


def answer(path: str, parameters: dict[str, str], body: bytes) -> bytes:
    """Run one request on a connection of its own. Raises RuntimeError with ClickHouse's words."""
    statement = "\n".join(part for part in (parameters.get("query", ""), "" if _INSERT.match(body) else body.decode()) if part)
    settings = {name: value for name, value in parameters.items() if name not in _OF_THE_INTERFACE and not name.startswith("param_")}
    given = {name.removeprefix("param_"): value for name, value in parameters.items() if name.startswith("param_")}
    with _TURN, tempfile.NamedTemporaryFile(suffix=".native") as data:
        connection = chdb.connect(path)
        try:
            if parameters.get("database"):
                connection.query(f"USE `{parameters['database']}`")
            if settings:
                connection.query("SET " + ", ".join(f"{name} = '{value}'" for name, value in settings.items()))
            if insert := _INSERT.match(body):
                data.write(body[insert.end() :])
                data.flush()
                statement = f"{insert[1].decode()} FROM INFILE '{data.name}' {insert[2].decode()}"
            return bytes(connection.query(statement, "TabSeparated", params=given).bytes() or b"")
        finally:
            connection.close()


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    path_of_data = ""

    def do_GET(self) -> None:
        """Ping, and queries in the address."""
        if urlsplit(self.path).path == "/ping":
            self._reply(200, b"Ok.\n", {})
        else:
            self._run(b"", {})

    def do_POST(self) -> None:
        """Queries and inserts."""
        body = self._body()
        if self.headers.get_content_type() == "multipart/form-data":  # parameters that are too long for an address
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            parts = email.message_from_bytes(head + body, policy=email.policy.HTTP).iter_parts()
            self._run(b"", {str(part.get_param("name", header="content-disposition")): part.get_content().rstrip("\r\n") for part in parts})
        else:
            self._run(lz4.frame.decompress(body) if self.headers.get("Content-Encoding") == "lz4" else body, {})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _run(self, body: bytes, fields: dict[str, str]) -> None:
        parameters = {**dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True)), **fields}
        try:
            found = answer(self.path_of_data, parameters, body)
        except RuntimeError as error:
            code = _CODE.search(str(error))
            self._reply(500, str(error).encode(), {"X-ClickHouse-Exception-Code": code[1] if code else "1002"})
            return
        asked = re.search(rb"FORMAT\s+(\w+)\s*;?\s*$", body) if not _INSERT.match(body) else None
        headers = {"X-ClickHouse-Format": asked[1].decode() if asked else "TabSeparated"} if found else {}
        self._reply(200, found, headers)

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"X-ClickHouse-Timezone": "UTC", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *words: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


class ClickHouse:
    """The process: start, kill, start again on the same data and port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"clickhouse://default:@127.0.0.1:{self.port}/watched"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Until it answers."""
        line = [sys.executable, "-m", "tests.clickhouse_server", "--port", str(self.port), "--path", str(self._folder)]
        self._process = subprocess.Popen(line, cwd=ROOT)
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/ping", timeout=5).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("the ClickHouse of the tests does not answer")

    def kill(self) -> None:
        """As a power cut does it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--path", required=True)
    chosen = arguments.parse_args()
    _Requests.path_of_data = chosen.path
    # One connection stays open: the engine would be taken down and set up again between requests.
    held = chdb.connect(chosen.path)
    ThreadingHTTPServer(("127.0.0.1", chosen.port), _Requests).serve_forever()
