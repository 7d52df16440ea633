"""What every handler needs: the view, the stream, who is asking, and how a page is put together."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from processors.pure.gauges import Gauge
from processors.view import PlantView
from processors.web.fields import fields
from processors.web.figures import Fields
from processors.web.hub import Hub
from processors.web.security import COOKIE, Tokens
from processors.web.sessions import Person, Sessions
from processors.web.text import Text
from processors.web.words import choose

HERE = Path(str(resources.files("processors.web")))
STATIC = HERE / "static"
YEAR_S = 31_536_000
SECTIONS = (("overview", "/"), ("meters", "/meters"), ("alerts", "/alerts"), ("reports", "/reports"))
JS_WORDS = (
    "age.now", "age.s", "age.min", "age.h", "age.d", "age.ago_s", "age.ago_min", "age.ago_h", "live.offline", "action.offline",
    "banner.offline_head", "banner.offline_rest", "announce.alerts", "announce.back", "chart.expected_short", "common.undo", "ack.done",
    "reason.checking", "reason.production", "reason.planned", "reason.known", "reason.other", "done.shelve", "done.comment",
    "done.dismiss", "done.fixed", "err.failed", "form.needed", "mw.done", "mw.ended", "wall.calm", "wall.areas",
)  # fmt: skip


def static_version() -> str:
    """Return a hash over all assets: their address changes with their content, so that they may be kept for ever."""
    files = sorted(path for path in STATIC.rglob("*") if path.is_file())
    return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def templates() -> Environment:
    """Return where pages are rendered: everything is escaped, a name that is missing is an error."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    env.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return env


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks, in which language and colours; `cookie` is the visitor's random name, `csrf` its token."""

    person: Person
    text: Text
    theme: str
    cookie: str
    csrf: str
    signed_in: bool

    @property
    def may_act(self) -> bool:
        """Whether this visitor may answer alerts."""
        return self.person.role in {"operator", "admin"}


def refusal(status: int, code: str, message: str) -> JSONResponse:
    """Return an error as JSON: a code for programs, a sentence for people."""
    return JSONResponse({"error": code, "message": message}, status)


Audit = Callable[[str, str, str], Awaitable[None]]
"""Keeps who did what, with a detail."""


class Site:
    """The page of one plant. `gauges` reads the daemon's own figures for `/metrics`, `scraper` is the token that opens them."""

    def __init__(
        self,
        view: PlantView,
        sessions: Sessions,
        gauges: Callable[[], Awaitable[Sequence[Gauge]]] | None = None,
        audit: Audit | None = None,
        scraper: str = "",
    ) -> None:
        self._audit, self._scraper = audit, scraper
        self.view, self.sessions, self.tokens, self.gauges = view, sessions, Tokens(), gauges
        self.hub = Hub(view)
        self.version = static_version()
        self.env = templates()

    async def audit(self, who: str, what: str, detail: str = "") -> None:
        """Have it kept that somebody signed in or out."""
        if self._audit:
            await self._audit(who, what, detail)

    def scrapes(self, request: Request) -> bool:
        """Tell whether a request is a monitoring system's, by its token."""
        told = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        return bool(self._scraper) and hmac.compare_digest(told, self._scraper.encode())

    @cached_property
    def static(self) -> str:
        """Where the assets of this build are."""
        return f"/static/{self.version}"

    def visit(self, request: Request) -> Visit:
        """Return who is asking. Language: address, cookie, browser, plant. Theme: address, cookie, system."""
        wishes = (request.query_params.get("lang"), request.cookies.get("dw_lang"), request.headers.get("accept-language"))
        chosen = choose(wishes, self.view.plant.plant.language)
        wall = "dark" if "wall" in request.query_params else None
        theme = request.query_params.get("theme") or wall or request.cookies.get("dw_theme") or "auto"
        cookie = self.tokens.visitor(request)
        person = self.sessions.person(request.cookies.get(COOKIE, ""))
        return Visit(
            person=person,
            text=self.hub.text(chosen.lang),
            theme=theme if theme in {"light", "dark"} else "auto",
            cookie=cookie,
            csrf=self.tokens.token(cookie),
            signed_in=self.sessions.wanted,
        )

    def may_not_act(self, request: Request, visit: Visit) -> Response | None:
        """Return the refusal of a request that would change something without our token or without the role; None where it may."""
        say = visit.text.words
        if not self.tokens.valid(request, request.headers.get("x-csrf-token")):
            return refusal(403, "csrf", say["err.session"])
        return None if visit.may_act else refusal(403, "forbidden", say("err.forbidden", role=say["role.operator"]))

    def page(self, request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
        """Return a page: the template with the frame's own context, and the visitor's cookies."""
        visit = self.visit(request)
        table = fields(self.view, visit.text)
        html = self.env.get_template(template).render(**{**self._frame(request, visit, table), **context})
        return self._cookies(request, visit, HTMLResponse(html, status))

    def plain(self, request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
        """Return a page without the frame: sign-in."""
        visit = self.visit(request)
        base = {"t": visit.text.words, "theme": visit.theme, "static": self.static, "csrf": visit.csrf, "plant": self.view.plant.plant.name}
        return self._cookies(request, visit, HTMLResponse(self.env.get_template(template).render(**base, **context), status))

    def _cookies(self, request: Request, visit: Visit, answer: Response) -> Response:
        if COOKIE not in request.cookies or request.cookies[COOKIE] != visit.cookie:
            answer.set_cookie(COOKIE, visit.cookie, httponly=True, samesite="strict", path="/")
        for name in ("lang", "theme"):
            if name in request.query_params:
                value = visit.text.lang if name == "lang" else visit.theme
                answer.set_cookie(f"dw_{name}", value, max_age=YEAR_S, samesite="strict", path="/")
        return answer

    def _frame(self, request: Request, visit: Visit, table: Fields) -> dict[str, Any]:
        text, view = visit.text, self.view
        now_ms = view.clock.now_ms()
        newest = int(table["live.at"])
        query = dict(request.query_params)
        return {
            "t": text.words,
            "f": table,
            "theme": visit.theme,
            "wall": "wall" in query,
            "csrf": visit.csrf,
            "plant": view.plant.plant.name,
            "zone": view.plant.plant.timezone,
            "static": self.static,
            "sections": SECTIONS,
            "ago": text.age_text(newest, now_ms) if newest else "",
            "ages": {m: text.age((now_ms - int(table[f"t.{m}.at"])) / 1000) if table[f"t.{m}.at"] else "" for m in view.meters},
            "date": text.full_date(now_ms),
            "clock": text.clock(now_ms, seconds=True),
            "user_name": text.words["user.local"] if visit.person.name == "local" else visit.person.name,
            "role": visit.person.role,
            "signed_in": visit.signed_in,
            "may_act": visit.may_act,
            "back": "",
            "simulated": any(meter.source == "simulated" for meter in view.plant.meter),
            **{f"query_{lang}": urlencode({**query, "lang": lang}) for lang in ("vi", "en")},
            **{f"query_{theme}": urlencode({**query, "theme": theme}) for theme in ("light", "dark", "auto")},
            "provenance": provenance(view, text),
            "js_words": {key: text.words[key] for key in JS_WORDS},
        }


def provenance(view: PlantView, text: Text) -> list[str]:
    """Return what the page has to say about where its numbers come from; nothing for a plant that is all measured."""
    simulated = [meter for meter in view.plant.meter if meter.source == "simulated"]
    recorded = [meter for meter in view.plant.meter if meter.source == "recorded"]
    lines = [text.words("source.simulated", n=str(len(simulated)))] if simulated else []
    if recorded:
        lines.append(text.words("source.recorded", names=", ".join(meter.name for meter in recorded)))
    return lines
