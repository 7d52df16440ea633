"""The page of one plant as an ASGI application. `build` is all that the processor's composition calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from driftwatt.errors import ConfigError, Unavailable
from driftwatt.hosts import is_loopback
from processors.pure.gauges import Gauge
from processors.view import PlantView
from processors.web import api, maintenance_api, metrics, openapi
from processors.web.assets import Assets
from processors.web.pages import account, alert, alerts, maintenance, meter, meters, overview, reports
from processors.web.security import Gate, host_names, split_listen
from processors.web.sessions import Account, Sessions
from processors.web.site import STATIC, Audit, Site

OPEN_PATHS = ("/healthz", "/readyz", "/signin", "/static/")


def build(
    view: PlantView,
    *,
    accounts: Sequence[Account] = (),
    gauges: Callable[[], Awaitable[Sequence[Gauge]]] | None = None,
    audit: Audit | None = None,
    scraper: str = "",
) -> Starlette:
    """Return the application; its lifespan owns the live stream.

    `accounts` are the people of `[[web.user]]` with their hashes read, `gauges` reads more figures for `/metrics`,
    which `scraper` opens as a bearer token without a session. `audit` is told who signed in or out.
    Raises ConfigError when the page would listen beyond this machine without accounts.
    """
    listen = view.plant.web.listen
    try:
        host, _ = split_listen(listen)
    except ValueError:
        raise ConfigError("not an address", key="web.listen", found=listen, allowed="HOST:PORT, such as 127.0.0.1:8080") from None
    if not is_loopback(host) and not accounts:
        raise ConfigError(
            "the page would be open to the network without sign-in",
            key="web.listen",
            found=listen,
            allowed="127.0.0.1:PORT, or at least one [[web.user]]",
        )
    site = Site(view, Sessions(accounts), gauges, audit, scraper)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        hub = asyncio.create_task(site.hub.run(), name="web-hub")
        try:
            yield
        finally:
            hub.cancel()
            with suppress(asyncio.CancelledError):
                await hub

    app = Starlette(
        routes=_routes(site),
        middleware=[
            Middleware(Gate, names=host_names(host)),
            Middleware(GZipMiddleware, minimum_size=800),
            Middleware(account.SignedIn, site=site, open_paths=OPEN_PATHS),
        ],
        exception_handlers={
            HTTPException: _http_error,
            Unavailable: _store_error,
            api.BadRequestError: _bad_request,
        },
        lifespan=lifespan,
    )
    app.state.site = site
    return app


def _routes(site: Site) -> list[Route | Mount]:
    return [
        Route("/", overview.overview),
        Route("/meters", meters.meters),
        Route("/meters/{id}", meter.meter),
        Route("/meters/{id}/day.csv", meter.csv),
        Route("/alerts", alerts.alerts),
        Route("/alerts/{id}", alert.alert),
        Route("/maintenance", maintenance.maintenance),
        Route("/reports", reports.reports),
        Route("/reports/{month}.csv", reports.as_csv),
        Route("/signin", account.sign_in, methods=["GET", "POST"]),
        Route("/signout", account.sign_out, methods=["POST"]),
        Route("/api/v1/live", api.live),
        Route("/api/v1/meters", api.meters),
        Route("/api/v1/history", api.history),
        Route("/api/v1/energy", api.energy),
        Route("/api/v1/alerts", api.alerts),
        Route("/api/v1/alerts/{id}", api.alert),
        Route("/api/v1/alerts/{id}/{verb}", api.answer, methods=["POST"]),
        Route("/api/v1/maintenance", maintenance_api.windows),
        Route("/api/v1/maintenance", maintenance_api.plan, methods=["POST"]),
        Route("/api/v1/maintenance/{id}/end", maintenance_api.end, methods=["POST"]),
        Route("/api/v1/events", api.events),
        Route("/api/v1/openapi.json", openapi.openapi),
        Route("/healthz", api.healthz),
        Route("/readyz", api.readyz),
        Route("/metrics", metrics.metrics),
        Mount(site.static, Assets(directory=STATIC)),
    ]


def _wants_json(request: Request) -> bool:
    return request.url.path.startswith("/api/") or request.url.path in {"/metrics", "/healthz", "/readyz"}


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if _wants_json(request) or status != 404:
        return JSONResponse({"error": str(status), "message": getattr(error, "detail", "")}, status)
    site: Site = request.app.state.site
    return site.page(request, "error.html", status=404, page="error", section="", message=site.visit(request).text.words["err.page"])


async def _store_error(request: Request, error: Exception) -> Response:
    site: Site = request.app.state.site
    sentence = site.visit(request).text.words["err.store"]
    if _wants_json(request):
        return JSONResponse({"error": "unavailable", "message": sentence, "detail": str(error)}, 503, headers={"Retry-After": "5"})
    return site.page(request, "error.html", status=503, page="error", section="", message=sentence)


async def _bad_request(_: Request, error: Exception) -> Response:
    return api.refusal(400, "bad_request", str(error))
