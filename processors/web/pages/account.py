"""Signing in and out, and the middleware that asks for it where plant.toml names people."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from processors.web.security import COOKIE
from processors.web.sessions import LIFE_MS, WINDOW_MS
from processors.web.site import Site


class SignedIn:
    """ASGI middleware: without a session, pages lead to the sign-in and the API answers 401."""

    def __init__(self, app: ASGIApp, *, site: Site, open_paths: tuple[str, ...]) -> None:
        self._app, self._site, self._open = app, site, open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and self._site.sessions.wanted and not scope["path"].startswith(self._open):
            request = Request(scope)
            scraped = scope["path"] == "/metrics" and self._site.scrapes(request)
            if not scraped and not self._site.sessions.person(request.cookies.get(COOKIE, ""), self._site.view.clock.now_ms()).name:
                await self._ask(request)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _ask(self, request: Request) -> Response:
        if request.url.path.startswith("/api/") or request.url.path == "/metrics":
            return JSONResponse({"error": "signed_out", "message": self._site.visit(request).text.words["auth.expired"]}, 401)
        return RedirectResponse(f"/signin?next={quote(request.url.path)}", 303)


def _next(request: Request) -> str:
    wish = request.query_params.get("next", "/")
    return wish if wish.startswith("/") and not wish.startswith(("//", "/\\")) else "/"


async def sign_in(request: Request) -> Response:
    """Answer `/signin`: the form, or a new session."""
    site: Site = request.app.state.site
    if not site.sessions.wanted:
        return RedirectResponse("/", 303)
    if request.method == "GET":
        return site.plain(request, "signin.html", name="", error="")
    form = {key: values[0] for key, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
    say, text = site.visit(request).text.words, site.visit(request).text
    name, now_ms = form.get("name", "")[:63], site.view.clock.now_ms()
    address = request.client.host if request.client else ""
    if not site.tokens.valid(request, form.get("csrf")):
        return site.plain(request, "signin.html", status=403, name=name, error=say["err.session"])
    if site.sessions.tries_left(name, address, now_ms) <= 0:
        return site.plain(request, "signin.html", status=429, name=name, error=say("auth.locked", duration=text.duration(WINDOW_MS / 1000)))
    cookie = await asyncio.to_thread(site.sessions.sign_in, name, form.get("password", ""), address, now_ms)
    await site.audit(name, "signed_in" if cookie else "sign_in_failed", address)
    if cookie is None:
        left = site.sessions.tries_left(name, address, now_ms)
        error = say("auth.wrong", n=str(left), duration=text.duration(WINDOW_MS / 1000))
        return site.plain(request, "signin.html", status=401, name=name, error=error)
    answer = RedirectResponse(_next(request), 303)
    answer.set_cookie(
        COOKIE, cookie, httponly=True, samesite="strict", path="/", max_age=LIFE_MS // 1000, secure=request.url.scheme == "https"
    )
    return answer


async def sign_out(request: Request) -> Response:
    """Answer `POST /signout`."""
    site: Site = request.app.state.site
    form = parse_qs((await request.body()).decode("utf-8", "replace"))
    if site.tokens.valid(request, form.get("csrf", [""])[0]):
        cookie = request.cookies.get(COOKIE, "")
        await site.audit(site.sessions.person(cookie, site.view.clock.now_ms()).name, "signed_out", "")
        site.sessions.sign_out(cookie)
    answer = RedirectResponse("/signin", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer
