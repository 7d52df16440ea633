"""Static files: their address carries a hash of their content, so browsers keep them for ever."""

from __future__ import annotations

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class Assets(StaticFiles):
    """StaticFiles with an unlimited life in the browser's cache."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """See StaticFiles."""
        answer = await super().get_response(path, scope)
        if answer.status_code < 400:
            answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer
