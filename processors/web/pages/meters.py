"""All metering points in one list, to be searched."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from config.plant import PlantMeter
from processors.web.pages import first
from processors.web.pages.overview import area_groups, loose_meters
from processors.web.site import Site
from processors.web.words import fold


@dataclass(frozen=True, slots=True)
class Group:
    """A heading and its meters; `id` is the area's, "" for none."""

    id: str
    name: str
    meters: tuple[PlantMeter, ...]


async def meters(request: Request) -> Response:
    """Answer `/meters`; `?q=` searches names, ids and areas without minding diacritics."""
    site: Site = request.app.state.site
    view, text = site.view, site.visit(request).text
    asked = request.query_params.get("q", "")[:80]
    groups = [Group("", text.words["term.incomer"], tuple(meter for meter in view.incomers if meter.feeds))]
    groups += [Group(area.id, area.name, area.meters) for area in area_groups(view)]
    groups.append(Group("", text.words["m.none_area"], loose_meters(view)))
    wanted = fold(asked)
    found = [
        Group(group.id, group.name, tuple(each for each in group.meters if wanted in fold(f"{each.name} {each.id} {group.name}")))
        for group in groups
    ]
    unlisted = view.board.snapshot().unlisted
    return site.page(
        request,
        "meters.html",
        page="meters",
        section="meters",
        groups=[group for group in found if group.meters],
        asked=asked,
        unlisted=text.words("m.unlisted", n=str(len(unlisted))) if unlisted else "",
        blocks="\n".join(first.block(reading) for reading in unlisted),
    )
