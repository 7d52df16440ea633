"""The alert that docs/maintenance.md prints is the one that the page shows, word for word, in both languages."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from tests.loop.page_on_paper import PaperPage
from tests.loop.plant_on_paper import compressor_alert

PAGE = Path("docs/maintenance.md")
HEADING = "## An alert, as a technician reads it\n"
DRAWN = re.compile(r"<script.*?</script>|<svg.*?</svg>|<button.*?</button>", re.DOTALL)
CHARTS = ("kW", "Đo được", "Measured")
"""How headings and legends of pictures end or begin: a text has no pictures."""


def told(lang: str) -> str:
    """Return the text of the alert's page, a paragraph a line; what belongs together in a fact stands on one."""
    with PaperPage() as page:
        whole = page.ask(f"/alerts/{compressor_alert().id}?lang={lang}").text.replace("\u00a0", " ")
    found = re.search(r"<main.*?</main>", whole, re.DOTALL)
    assert found
    text = re.sub(r"<div class=\"kpi\">.*?</div>", _fact, DRAWN.sub("", found[0]), flags=re.DOTALL)
    lines = [html.unescape(re.sub(r"<[^>]+>", " ", part)) for part in re.split(r"</(?:p|h1|h2|li|tr|div|header|section)>", text)]
    plain = [" ".join(line.split()) for line in lines if line.strip()]
    return "\n".join(line for line in plain if not (line.endswith(CHARTS[0]) and "," in line) and not line.startswith(CHARTS[1:]))


def _fact(match: re.Match[str]) -> str:
    return re.sub(r"</h2>", ": ", re.sub(r"</p>", " · ", match[0].replace("</p></div>", "</div>")))


@pytest.mark.parametrize(("lang", "place"), [("vi", 0), ("en", 1)])
def test_the_printed_alert_is_the_one_on_the_page(lang: str, place: int) -> None:
    section = PAGE.read_text(encoding="utf-8").partition(HEADING)[2].partition("\n## ")[0]
    assert re.findall(r"```text\n(.*?)```", section, re.DOTALL)[place] == told(lang) + "\n"
