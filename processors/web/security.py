"""The gate before every route: which host names count, what every answer says to the browser, who may change things."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
COOKIE = "dw_sid"
MAX_BODY = 16_384


def split_listen(listen: str) -> tuple[str, int]:
    """Return host and port of `127.0.0.1:8080` or `[::1]:8080`. Raises ValueError."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - an empty host means every address, as written by the user


def host_names(listen_host: str) -> frozenset[str]:
    """Return the names under which the page may be asked for. Addresses are always allowed: they cannot be rebound."""
    own = socket.gethostname().lower()
    return frozenset({"localhost", listen_host.lower(), own, own.split(".")[0], own.split(".")[0] + ".local"})


def allowed_host(header: str, names: Iterable[str]) -> bool:
    """Tell whether a Host header names this server (against DNS rebinding)."""
    try:
        host = urlsplit("//" + header).hostname or ""
        if host in names:
            return True
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Tokens:
    """Tokens against cross-site requests: an HMAC of the visitor's random cookie under a key of this process."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def visitor(self, request: Request) -> str:
        """Return the visitor's cookie, a new one where there is none."""
        found = request.cookies.get(COOKIE, "")
        return found if len(found) == 32 and found.isalnum() else secrets.token_hex(16)

    def token(self, visitor: str) -> str:
        """Return the token that goes with a visitor's cookie."""
        return hmac.new(self._key, visitor.encode(), sha256).hexdigest()

    def valid(self, request: Request, token: str | None) -> bool:
        """Tell whether a request that changes something comes from our own page."""
        site = request.headers.get("sec-fetch-site")
        if site is not None and site not in {"same-origin", "none"}:
            return False
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
            return False
        visitor = request.cookies.get(COOKIE, "")
        return bool(visitor and token) and hmac.compare_digest(self.token(visitor).encode(), (token or "").encode())


class Gate:
    """ASGI middleware: refuses foreign hosts and large bodies, puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, *, names: frozenset[str]) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        request = Headers(scope=scope)
        if not allowed_host(request.get("host", ""), self._names):
            await PlainTextResponse("this server does not answer to that host name\n", 421)(scope, receive, answer)
        elif _too_large(request):
            await PlainTextResponse("the body is too large\n", 413)(scope, receive, answer)
        else:
            await self._app(scope, receive, answer)


def _too_large(request: Headers) -> bool:
    if "transfer-encoding" in request:
        return True
    length = request.get("content-length", "0")
    return not length.isdecimal() or int(length) > MAX_BODY
