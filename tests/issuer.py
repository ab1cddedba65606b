"""An OpenID Connect issuer that works: signs ID tokens, lets everybody in, on loopback or behind httpx's mock transport."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT = "dashboard"


class Issuer:
    """``claims`` are added to every token; ``keys`` may be changed, as issuers do."""

    def __init__(self, url: str = "https://issuer.example.com") -> None:
        self.url = url
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.claims: dict[str, Any] = {"sub": "u-1", "email": "ann@example.com", "groups": ["gw-operators"]}
        self.fetched = 0
        self.away = False
        self._nonces: dict[str, str] = {}

    def rotate(self) -> None:
        """Sign with another key from now on."""
        self.key = RSAKey.generate_key(2048, {"kid": "two", "use": "sig"})

    def token(self, now: float | None = None, key: RSAKey | None = None, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """An ID token that lives for ten minutes."""
        issued = int(time.time() if now is None else now)
        claims = {"iss": self.url, "aud": CLIENT, "iat": issued, "exp": issued + 600, **self.claims, **changes}
        claims = {name: value for name, value in claims.items() if value is not None}
        signing = key or self.key
        return jwt.encode({"alg": "RS256", "kid": signing.kid, **(header or {})}, claims, signing)

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one request."""
        if self.away:
            return 503, {}, b""
        if path == "/.well-known/openid-configuration":
            about = {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
            return 200, {"Content-Type": "application/json"}, json.dumps(about).encode()
        if path == "/jwks":
            self.fetched += 1
            return 200, {"Content-Type": "application/json"}, json.dumps(KeySet([self.key]).as_dict(private=False)).encode()
        if path == "/authorize":
            self._nonces["code-1"] = query.get("nonce", "")
            back = urlencode({"code": "code-1", "state": query["state"]})
            return 302, {"Location": f"{query['redirect_uri']}?{back}"}, b""
        if path == "/token":
            nonce = self._nonces.get("code-1") or None
            body = {"access_token": "a", "token_type": "Bearer", "expires_in": 600, "id_token": self.token(nonce=nonce)}
            return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()
        return 404, {}, b""

    def transport(self) -> httpx.MockTransport:
        """The same without a network."""

        def handle(request: httpx.Request) -> httpx.Response:
            status, headers, body = self.answer(request.url.path, dict(request.url.params))
            return httpx.Response(status, headers=headers, content=body)

        return httpx.MockTransport(handle)


def serve(issuer: Issuer) -> ThreadingHTTPServer:
    """On a free port of loopback; sets the issuer's url. Shut it down in the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._send(parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._send(urlsplit(self.path).path, {})

        def _send(self, path: str, query: dict[str, str]) -> None:
            status, headers, body = issuer.answer(path, query)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
