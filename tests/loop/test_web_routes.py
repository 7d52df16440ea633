"""The page's routes over a real server: pages, the JSON side, answers of people, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from driftwatt.alerts import HistoryLine
from driftwatt.errors import ConfigError, Unavailable
from processors.pure.board import EdgeNow, Progress
from processors.pure.drivers import Driven, Drivers, Series
from processors.pure.outputs import Readiness
from processors.view import PlantView
from processors.web.app import build
from processors.web.openapi import document
from tests.loop.page_on_paper import Answer, PaperPage
from tests.loop.plant_on_paper import (
    METERS,
    NOW_MS,
    PaperBoard,
    PaperBook,
    PaperClock,
    PaperStore,
    at,
    compressor_alert,
    more_alerts,
    plant_file,
    policies,
    reading,
    repaired_alert,
)

ALERT = compressor_alert().id
PAGES = (
    "/",
    "/meters",
    "/meters?q=may+nen",
    "/meters/compressor-3",
    "/meters/furnace-1?range=week",
    "/meters/office?range=month",
    "/maintenance",
    "/alerts",
    "/alerts?tab=all",
    f"/alerts/{ALERT}",
    "/reports",
    "/reports?month=2026-10",
)


@pytest.fixture(scope="module")
def page() -> Iterator[PaperPage]:
    with PaperPage() as running:
        yield running


def cookie_and_token(page: PaperPage) -> dict[str, str]:
    answer = page.ask("/")
    token = re.search(r'name="csrf" content="([0-9a-f]{64})"', answer.text)
    assert token
    return {"Cookie": answer.headers["set-cookie"].split(";")[0], "X-CSRF-Token": token[1], "Content-Type": "application/json"}


def post(page: PaperPage, verb: str, content: object, alert: str = ALERT) -> Answer:
    return page.ask(f"/api/v1/alerts/{alert}/{verb}", method="POST", body=json.dumps(content).encode(), headers=cookie_and_token(page))


@pytest.mark.parametrize("lang", ["vi", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers_in_both_languages(page: PaperPage, path: str, lang: str) -> None:
    answer = page.ask(path + ("&" if "?" in path else "?") + f"lang={lang}")
    assert answer.status == 200
    assert f'<html lang="{lang}"' in answer.text
    assert len(answer.body) < 150_000


def test_the_first_html_already_holds_the_values(page: PaperPage) -> None:
    text = page.ask("/?lang=vi").text
    assert "Máy nén khí 3 chạy ngoài giờ sản xuất" in text
    assert re.search(r'data-text="t\.compressor-3\.v">11,\d<', text)
    assert "≈ 88.000" in text


def test_the_page_says_what_is_simulated_and_what_is_recorded(page: PaperPage) -> None:
    text = page.ask("/?lang=en").text
    assert "This plant is simulated" in text
    assert "Steel Industry Energy Consumption, UCI 851, CC BY 4.0, V E, Shin, Cho" in text


def test_an_unconfirmed_tariff_is_marked(page: PaperPage) -> None:
    assert "unconfirmed" in page.ask("/?lang=en").text
    assert "Source not confirmed: hours vn-963-2026" in page.ask(f"/alerts/{ALERT}?lang=en").text


def test_unknown_meters_alerts_and_pages_are_404_with_a_sentence(page: PaperPage) -> None:
    for path in ("/meters/nobody", "/alerts/ffffffffffffffff", "/nothing"):
        answer = page.ask(path)
        assert answer.status == 404
        assert "<h1>" in answer.text


def test_the_sum_of_the_price_table_is_the_sum_of_its_rows(page: PaperPage) -> None:
    table = page.ask(f"/alerts/{ALERT}?lang=en").text.split('class="panel pricing"')[1].split("</section>")[0]
    amounts = [int(number.replace(",", "")) for number in re.findall(r"([\d,]+)\u00a0VND", table)]
    assert abs(sum(amounts[:-1]) - amounts[-1]) <= len(amounts)
    assert amounts[-1] == round(compressor_alert().per_day["cost"]), "the figure that stands above"


def test_live_values_carry_state_and_band(page: PaperPage) -> None:
    rows = {row["meter"]: row for row in page.ask("/api/v1/live").json()["meters"]}
    assert set(rows) == set(METERS)
    assert rows["compressor-3"]["state"] == "waste"
    assert rows["compressor-3"]["alert"] == ALERT
    assert rows["compressor-1"]["lo_w"] < rows["compressor-1"]["active_power_w"] < rows["compressor-1"]["hi_w"]


def test_history_is_thinned_and_comes_with_the_band(page: PaperPage) -> None:
    found = page.ask("/api/v1/history?meter=chiller-1&points=50").json()
    assert len(found["points"]) <= 50
    assert found["unit"] == "W"
    assert len(found["expected"]) == 96


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "1969-12-31", "nonsense"])
@pytest.mark.parametrize("span", ["day", "week", "month"])
def test_days_at_the_ends_of_the_calendar_are_days_without_data(page: PaperPage, day: str, span: str) -> None:
    assert page.ask(f"/meters/office?day={day}&range={span}").status == 200
    assert page.ask(f"/meters/office/day.csv?day={day}&range={span}").status == 200


@pytest.mark.parametrize(
    "asked",
    [
        "from=0001-01-01T00:00:00%2B14:00&to=1970-02-01T00:00:00Z",
        "from=2099-12-31T00:00:00Z&to=9999-12-31T23:59:59-14:00",
        "from=4102444000000&to=999999999999999",
    ],
)
def test_times_at_the_ends_of_the_calendar_are_times_without_data(page: PaperPage, asked: str) -> None:
    assert page.ask(f"/api/v1/energy?meter=office&{asked}").status == 200


def test_a_long_history_is_read_in_pieces_and_keeps_its_peak() -> None:
    asked: list[tuple[int, int]] = []

    class Store(PaperStore):
        def readings(self, meter: str, quantity: str, from_ms: int, to_ms: int) -> list[tuple[int, float, int]]:
            if to_ms - from_ms > 86_400_000:
                asked.append((from_ms, to_ms))
            return [(t_ms, 99.0 if t_ms == peak else 1.0, 0) for t_ms in range(from_ms, to_ms, 3_600_000)]

    def changed(page: PaperPage) -> None:
        page.store = Store(page.clock)

    start, peak = NOW_MS - 30 * 86_400_000, NOW_MS - 9 * 86_400_000
    with PaperPage(change=changed) as page:
        points = page.ask(f"/api/v1/history?meter=office&points=40&from={start}&to={NOW_MS}").json()["points"]
    assert [end - begin for begin, end in asked] == [2 * 86_400_000] * 15
    assert len(points) <= 40
    assert [value for _, value, _ in points if value > 1] == [99.0]
    assert points[0][0] == start


def test_energy_sums_an_area(page: PaperPage) -> None:
    one = [page.ask(f"/api/v1/energy?meter={meter}&by=1h").json()["intervals"][0]["import_wh"] for meter in ("chiller-1", "chiller-2")]
    area = page.ask("/api/v1/energy?area=chill&by=1h").json()["intervals"][0]["import_wh"]
    assert area == pytest.approx(sum(one))


@pytest.mark.parametrize(
    "query",
    [
        "history?meter=nobody",
        "history?meter=office&quantity=magic",
        "history?meter=office&points=1",
        "history?meter=office&points=9999999",
        "history?meter=office&from=yesterday",
        "history?meter=office&from=2026-11-19T00:00:00",
        "history?meter=office&from=2000&to=1000",
        "history?meter=office&from=0&to=999999999999999",
        "energy?meter=office&by=1y",
        "energy?area=nowhere",
    ],
)
def test_wrong_parameters_are_400_and_say_what_is_allowed(page: PaperPage, query: str) -> None:
    answer = page.ask("/api/v1/" + query)
    assert answer.status == 400
    assert answer.json()["message"]


def test_csv_has_one_line_per_quarter_hour(page: PaperPage) -> None:
    lines = page.ask("/meters/office/day.csv?range=day&day=2026-11-18").text.splitlines()
    assert len(lines) == 97
    assert lines[0].startswith("start,import_kwh")
    assert lines[1].startswith("2026-11-17T17:00:00.000Z,")


def test_openapi_lists_every_json_route(page: PaperPage) -> None:
    paths = set(page.ask("/api/v1/openapi.json").json()["paths"])
    routes = {str(getattr(route, "path", "")) for route in page.app.routes}
    routes = {path for path in routes if path.startswith("/api/")}
    routes.discard("/api/v1/openapi.json")
    routes.discard("/api/v1/alerts/{id}/{verb}")
    routes |= {f"/api/v1/alerts/{{id}}/{verb}" for verb in ("ack", "shelve", "comment", "dismiss", "fixed")}
    assert paths == routes == set(document()["paths"])


def test_metrics_are_in_prometheus_text(page: PaperPage) -> None:
    text = page.ask("/metrics").text
    assert re.search(r'^driftwatt_active_power_watts\{meter="office"\} [\d.e+]+$', text, re.MULTILINE)
    assert "driftwatt_alerts_waiting" in text


def test_health_and_readiness(page: PaperPage) -> None:
    assert page.ask("/healthz").json() == {"ok": True}
    assert page.ask("/readyz").status == 200


def test_an_acknowledgement_is_answered_once_and_can_be_undone() -> None:
    with PaperPage() as page:
        first = post(page, "ack", {"reason": "checking"})
        assert (first.status, first.json()["state"], first.json()["ack"]["by"]) == (200, "acked", "local")
        second = post(page, "ack", {"reason": "known"})
        assert second.status == 409
        assert "local" in second.json()["message"]
        assert post(page, "ack", {"undo": True}).json()["state"] == "unacked"
        assert [answer.what for answer in page.book.answers] == ["ack", "undo"]


@pytest.mark.parametrize(
    ("verb", "content"),
    [
        ("ack", {"reason": "because"}),
        ("ack", []),
        ("ack", {"reason": 5}),
        ("comment", {"note": "half a character: \ud83d"}),
        ("shelve", {"reason": "planned"}),
        ("shelve", {"until_ms": NOW_MS + 8 * 86_400_000}),
        ("shelve", {"until_ms": True}),
        ("dismiss", {}),
        ("comment", {"note": "  "}),
        ("comment", {"note": "x" * 501}),
    ],
)
def test_wrong_answers_are_refused_and_change_nothing(page: PaperPage, verb: str, content: object) -> None:
    answered = len(page.book.answers)
    assert post(page, verb, content).status == 400
    assert len(page.book.answers) == answered


def test_an_unknown_alert_or_verb_is_404(page: PaperPage) -> None:
    assert post(page, "ack", {"reason": "known"}, alert="f" * 16).status == 404
    assert post(page, "ack", {"reason": "known"}, alert="..%2f").status == 404
    assert post(page, "explode", {}).status == 404


def test_the_money_of_a_dismissed_alert_is_told_to_be_voided() -> None:
    with PaperPage() as page:
        before = page.ask("/alerts?lang=en").text.count('<td class="num wide">voided<')
        assert post(page, "dismiss", {"reason": "production"}).json()["state"] == "closed"
        assert page.ask("/alerts?lang=en").text.count('<td class="num wide">voided<') == before + 1
        assert '<p class="sub">voided<' in page.ask(f"/alerts/{ALERT}?lang=en").text


def test_all_other_answers_reach_the_book() -> None:
    with PaperPage() as page:
        assert post(page, "comment", {"note": "đã gọi bảo trì"}).status == 200
        assert post(page, "shelve", {"until_ms": NOW_MS + 3_600_000, "note": "chờ"}).json()["state"] == "shelved"
        assert post(page, "shelve", {"undo": True}).json()["state"] == "unacked"
        assert post(page, "fixed", {"note": "sửa rò rỉ"}).json()["state"] == "closed"
        assert [answer.what for answer in page.book.answers] == ["comment", "shelve", "unshelve", "fixed"]
        assert page.book.answers[0].note == "đã gọi bảo trì"


def test_text_of_people_is_escaped() -> None:
    with PaperPage() as page:
        post(page, "comment", {"note": "<script>alert(1)</script>"})
        text = page.ask(f"/alerts/{ALERT}").text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text


def test_names_from_the_file_are_escaped_in_html_and_data() -> None:
    file = plant_file()
    meters = tuple(meter.model_copy(update={"name": "</script><b>x"}) if meter.id == "office" else meter for meter in file.meter)
    with PaperPage(file=file.model_copy(update={"meter": meters})) as page:
        assert "</script><b>" not in page.ask("/").text
        assert "</script><b>" not in page.ask("/meters/office").text


def test_a_store_that_does_not_answer_leaves_the_live_page_and_says_so_elsewhere() -> None:
    with PaperPage() as page:

        def down(*_: object) -> list[object]:
            raise Unavailable("the store is away")

        page.store.intervals = down  # type: ignore[method-assign,assignment]
        assert page.ask("/").status == 200
        answer = page.ask("/meters/office?lang=en")
        assert answer.status == 503
        assert "store does not answer" in answer.text
        assert page.ask("/api/v1/energy?meter=office").json()["error"] == "unavailable"


def test_before_the_first_reading_the_page_explains_what_to_do() -> None:
    def nothing(page: PaperPage) -> None:
        page.board.meters = {}
        page.store.intervals = lambda *_: []  # type: ignore[method-assign]
        page.store.readings = lambda *_: []  # type: ignore[method-assign]

    with PaperPage(change=nothing) as page:
        text = page.ask("/?lang=en").text
        assert "No meter yet" in text
        assert "driftwatt collect edge.toml" in text


def test_a_plant_that_starts_again_before_any_reading_of_the_day_is_not_a_new_one() -> None:
    def yesterday(page: PaperPage) -> None:
        page.board.meters = {}
        midnight_ms = at("2026-11-19 00:00")
        known = page.store.intervals
        page.store.intervals = lambda kind, meter, from_ms, to_ms: known(kind, meter, from_ms, min(to_ms, midnight_ms))  # type: ignore[method-assign]
        page.store.readings = lambda *_: []  # type: ignore[method-assign]

    with PaperPage(change=yesterday) as page:
        assert "No meter yet" not in page.ask("/?lang=en").text


def test_a_page_open_to_the_network_needs_users() -> None:
    clock = PaperClock()
    board = PaperBoard(clock)

    def view(listen: str) -> PlantView:
        file = plant_file(listen=listen)
        return PlantView(file, store=PaperStore(clock), board=board, book=PaperBook(board), policies=policies(), clock=clock)

    with pytest.raises(ConfigError, match=r"web\.listen.*without sign-in"):
        build(view("0.0.0.0:8080"))
    with pytest.raises(ConfigError, match="not an address"):
        build(view("somewhere"))
    assert build(view("[::1]:8080"))


def test_a_lost_collector_makes_tiles_stale_and_hides_no_alert() -> None:
    def gone(page: PaperPage) -> None:
        then = NOW_MS - 14 * 60_000
        page.board.edges = {name: replace(edge, online=False, since_ms=then, last_ms=then) for name, edge in page.board.edges.items()}
        for meter, now in page.board.meters.items():
            assert now.reading
            page.board.meters[meter] = replace(now, reading=replace(now.reading, t_ms=then))

    with PaperPage(change=gone) as page:
        text = page.ask("/?lang=en").text
        assert len(re.findall(r'class="tile" [^>]*data-state="stale"', text)) == 11
        assert "Collector “tram-dien” lost since 22:33" in text
        assert "Máy nén khí 3 running off-hours" in text


def test_while_the_past_is_filled_in_the_page_shows_that_day_and_says_so() -> None:
    then = NOW_MS - 3 * 86_400_000

    def filling(page: PaperPage) -> None:
        page.board.progress = Progress("catch_up", 70, 100, NOW_MS - 10 * 86_400_000, then)
        page.board.meters = {meter: replace(now, reading=reading(meter, then - 60_000)) for meter, now in page.board.meters.items()}

    with PaperPage(change=filling) as page:
        text = page.ask("/?lang=en").text
        assert "Fast-forwarding the past 70%." in text
        assert "Load profile of 16\u00a0Nov, kW" in text
        assert 'data-state="waste"' in text
        assert f'data-now="{NOW_MS}"' in text, "the plant clock stays true"
        data = re.search(r'data-chart="profile">(.*?)</script>', text)
        assert data
        assert json.loads(data[1])["now"] == then


def test_a_measured_plant_shows_now_while_an_edge_sends_what_it_kept() -> None:
    then = NOW_MS - 3_600_000
    file = plant_file()
    file = file.model_copy(update={"meter": [file.meter[0].model_copy(update={"source": "measured"}), *file.meter[1:]]})

    def late(page: PaperPage) -> None:
        page.board.progress = Progress("catch_up", 70, 100, NOW_MS - 5 * 3_600_000, then)
        page.board.meters["office"] = replace(page.board.meters["office"], reading=reading("office", then))

    with PaperPage(file=file, change=late) as page:
        text = page.ask("/?lang=en").text
        assert "A collector is sending what it kept 70%." in text
        assert "Fast-forwarding" not in text
        assert "simulated meters" not in text.split('id="banner"')[1].split("</div>")[0]
        assert len(re.findall(r'class="tile" [^>]*data-state="stale"', text)) == 1, "an hour old is not now"
        data = re.search(r'data-chart="profile">(.*?)</script>', text)
        assert data
        assert json.loads(data[1])["now"] == NOW_MS


def test_an_answer_given_meanwhile_carries_the_real_time() -> None:
    def filling(page: PaperPage) -> None:
        page.board.progress = Progress("catch_up", 70, 100, NOW_MS - 10 * 86_400_000, NOW_MS - 86_400_000)

    with PaperPage(change=filling) as page:
        assert post(page, "ack", {"reason": "known"}).status == 200
        assert page.book.answers[0].at_ms == NOW_MS


def test_a_gap_is_drawn_as_a_gap_and_an_estimate_as_one() -> None:
    day = at("2026-11-18 00:00")
    hole, guess = (day + 3 * 3_600_000, day + 6 * 3_600_000), (day + 9 * 3_600_000, day + 10 * 3_600_000)

    def doubtful(page: PaperPage) -> None:
        page.store.gaps["office"] = hole
        page.store.estimated["office"] = guess

    with PaperPage(change=doubtful) as page:
        text = page.ask("/meters/office?lang=en&day=2026-11-18").text
        found = re.search(r'data-chart="day">(.*?)</script>', text)
        assert found
        data = json.loads(found[1])
        assert [(gap["from"], gap["to"]) for gap in data["gaps"]] == [hole]
        assert "3\u00a0h" in data["gaps"][0]["text"]
        drawn = dict(zip(*data["measured"], strict=True))
        assert all(value is None for t, value in drawn.items() if hole[0] <= t < hole[1] or guess[0] <= t < guess[1])
        assert sum(value is not None for value in data["estimated"][1]) == 4
        assert '<span class="approx">≈</span>' in text
        assert "3\u00a0h missing, 1\u00a0h estimated" in text


def test_ratio_and_sign_are_applied_to_what_is_shown() -> None:
    clock = PaperClock()
    board = PaperBoard(clock)
    turned = {meter: replace(policy, ct_ratio=40.0, sign=-1) if meter == "office" else policy for meter, policy in policies().items()}
    view = PlantView(plant_file(), store=PaperStore(clock), board=board, book=PaperBook(board), policies=turned, clock=clock)
    said = board.meters["office"].reading
    assert said
    assert view.power_w(said) == pytest.approx(-40 * said.values["active_power"])
    assert view.power_w(replace(said, meter="lighting")) == pytest.approx(said.values["active_power"])


def test_energy_of_today_goes_on_with_the_counter_after_the_last_closed_interval() -> None:
    with PaperPage() as page:
        now = page.board.meters["furnace-1"].reading
        assert now
        closed = sum(each.import_wh for each in page.view.today["furnace-1"].intervals)
        grown = replace(now, values={**now.values, "import_energy": now.values["import_energy"] + 500})
        assert page.view.energy_wh("furnace-1", now) > closed
        assert page.view.energy_wh("furnace-1", grown) - page.view.energy_wh("furnace-1", now) == pytest.approx(500)


@pytest.mark.parametrize(
    ("alarm", "says"),
    [
        ("clock_unsynced", "The clock of collector “tram-dien” is uncertain."),
        ("bus_down", "Collector “tram-dien”: a line to meters is down."),
        ("commit_failed", "Collector “tram-dien” cannot write to its disk."),
    ],
)
def test_what_a_collector_doubts_of_itself_stands_on_every_page(alarm: str, says: str) -> None:
    with PaperPage() as page:
        now_ms = page.view.now_ms()
        page.board.edges["tram-dien"] = EdgeNow("tram-dien", online=True, since_ms=now_ms, last_ms=now_ms, alarms=(alarm,))
        for path in ("/", "/meters", "/alerts"):
            assert says in page.ask(f"{path}?lang=en").text


def test_energy_of_today_counts_from_the_first_reading_of_a_meter_that_began_today() -> None:
    with PaperPage() as page:
        view, now = page.view, page.board.meters["furnace-1"].reading
        assert now
        began_ms, counted = now.t_ms - 600_000, now.values["import_energy"] - 700
        view.today["furnace-1"] = replace(view.today["furnace-1"], intervals=(), base=(began_ms, counted))
        assert view.energy_wh("furnace-1", now) == pytest.approx(700)
        view.today["furnace-1"] = replace(view.today["furnace-1"], base=None)
        assert view.energy_wh("furnace-1", now) == 0


def test_power_stands_for_half_an_hour_of_energy_and_for_no_more() -> None:
    with PaperPage() as page:
        view, now = page.view, page.board.meters["furnace-1"].reading
        assert now
        power_w = now.values["active_power"]
        uncounted = replace(now, values={"active_power": power_w})
        closed = sum(each.import_wh for each in view.today["furnace-1"].intervals)
        closed_ms = view.today["furnace-1"].closed_to_ms
        assert view.energy_wh("furnace-1", replace(uncounted, t_ms=closed_ms + 600_000)) == pytest.approx(closed + power_w / 6)
        assert view.energy_wh("furnace-1", replace(uncounted, t_ms=closed_ms + 2_000_000)) == closed


def test_a_repair_is_told_later_with_its_time_in_the_plant() -> None:
    with PaperPage() as page:
        assert post(page, "fixed", {"note": "x", "repaired": "yesterday"}).status == 400
        assert post(page, "fixed", {"note": "sửa rò rỉ", "repaired": "2026-11-18T14:00"}).status == 200
        assert page.book.answers[-1].repaired_ms == at("2026-11-18 14:00")


def test_the_history_says_when_a_repair_was_made_that_was_told_later() -> None:
    told = HistoryLine(NOW_MS, "fixed", "lan", "fixed", "thay van", at("2026-11-18 14:00"))
    with PaperPage(alerts=(replace(compressor_alert(), history=(told,)),)) as page:
        english, vietnamese = (page.ask(f"/alerts/{ALERT}?lang={lang}").text.replace("\u00a0", " ") for lang in ("en", "vi"))
        assert "lan reported it fixed, repaired 18 Nov, 14:00: thay van" in english
        assert "lan báo đã khắc phục lúc 18/11, 14:00: thay van" in vietnamese


def test_a_repaired_alert_shows_its_saving_with_band_looks_and_method() -> None:
    with PaperPage(alerts=(repaired_alert(),)) as page:
        text = page.ask(f"/alerts/{repaired_alert().id}?lang=en").text
        assert "Estimate after the fix" in text
        assert "37 ± 8" in text.replace("\u00a0", " ")
        assert "looked at on 28 Nov" in text.replace("\u00a0", " ")
        assert "IPMVP option B" in text
        assert "if left as is" not in text, "nothing is lost any more"
        assert "being verified" in page.ask("/alerts?lang=en").text


def test_one_acknowledgement_is_told_in_the_singular() -> None:
    acked = replace(compressor_alert(), state="acked", ack_by="lan", ack_at_ms=compressor_alert().opened_ms + 60_000, ack_reason="known")
    with PaperPage(alerts=(acked,)) as page:
        assert "1 acknowledgement<" in page.ask("/alerts?lang=en").text


def test_a_chart_is_compared_with_the_weeks_before_or_another_meter() -> None:
    with PaperPage() as page:
        for wish, word in (("before", "same weekdays"), ("compressor-1", "Máy nén khí 1")):
            text = page.ask(f"/meters/compressor-3?lang=en&range=week&compare={wish}").text
            assert f'"compare":[{{"text":"{word}' in text or f'"text":"Before, {word}' in text
            assert f"&amp;compare={wish}" in text, "it stays while stepping"
        assert '"compare":[]' in page.ask("/meters/compressor-3?compare=nobody").text


def test_the_wall_screen_is_dark_by_itself() -> None:
    with PaperPage() as page:
        assert 'data-theme="dark" class="wall"' in page.ask("/?wall=1").text


def test_the_monthly_report_adds_up_and_downloads() -> None:
    with PaperPage(alerts=(compressor_alert(), repaired_alert())) as page:
        text = page.ask("/reports?month=2026-10&lang=en").text.replace("\u00a0", " ")
        assert "Energy report 10/2026" in text
        assert "37 ± 8 kWh/day" in text
        assert "unconfirmed: hours vn-963-2026" in text
        assert "– now" not in text, "November's waste is not October's"
        rows = [line.split(",") for line in page.ask("/reports/2026-10.csv").text.splitlines()]
        table = {row[1]: row for row in rows[1:] if row[0] == "meter"}
        assert set(table) == set(METERS)
        kwh, parts = float(table["incomer"][2]), [float(part) for part in table["incomer"][3:6]]
        assert kwh == pytest.approx(sum(parts), abs=0.01)
        assert f"{kwh:,.0f}" in text
        assert [row[1] for row in rows if row[0] == "waste"] == [repaired_alert().id]
        assert "– now" in page.ask("/reports?lang=en").text


def test_an_event_of_the_site_lists_its_meters_and_a_hidden_alert_says_what_explains_it() -> None:
    with PaperPage(alerts=more_alerts()) as page:
        text = page.ask(f"/alerts/{'9' * 16}?lang=en").text
        assert "3 meters rose above their expectation together" in text
        assert all(f'href="/alerts/{str(n) * 16}"' in text for n in (4, 5, 6))
        hidden = page.ask(f"/alerts/{'8' * 16}?lang=en").text
        assert "Hidden: explained by Lò nung 1" in hidden
        assert "runs as it should, by its own calendar" in hidden
        assert "1 open" in page.ask("/alerts?lang=en").text


def test_waste_below_the_floor_is_listed_apart_and_not_counted() -> None:
    with PaperPage(alerts=(replace(compressor_alert(), below_floor=True),)) as page:
        inbox = page.ask("/alerts?lang=en").text
        assert "Below the money worth telling (1)" in inbox
        assert 'class="count zero">0<' in inbox
        assert "57 kWh (38–76)" in inbox.replace("\u00a0", " "), "its band stands beside it"
        assert 'data-act="ack"' not in page.ask("/").text


def test_energy_per_unit_stands_on_the_meters_page_and_in_the_report() -> None:
    line = Series("production")
    for start in range(at("2026-10-01 00:00"), NOW_MS, 900_000):
        line.add(start + 1, 50.0)

    with PaperPage() as page:
        known = {meter: replace(policy, drivers=Driven(Drivers({"d": line}), None, line)) for meter, policy in policies().items()}
        page.view.follow(page.file, {**policies(), "moulding-1": known["moulding-1"]})
        text = page.ask("/meters/moulding-1?lang=en&range=week").text.replace("\u00a0", " ")
        assert re.search(r"Specific energy</b> 0\.\d{3} kWh per unit · 3\d,\d{3} units · before 0\.\d{3}", text)
        assert "Specific energy" not in page.ask("/meters/moulding-2?lang=en").text
        report = page.ask("/reports?month=2026-11&lang=en").text
        assert "kWh per unit" in report
        assert report.count("<td>Máy ép nhựa 1</td>") == 1


@pytest.mark.parametrize(
    ("meter", "missing", "told"),
    [("compressor-1", "driver", "production"), ("chiller-1", "driver", "outdoor temperature"), ("office", "days", "more valid days")],
)
def test_a_baseline_that_is_not_fit_says_which_driver_would_help_it(meter: str, missing: str, told: str) -> None:
    def unfit(page: PaperPage) -> None:
        page.board.readiness[meter] = Readiness(meter, NOW_MS, "not_fit", 60, 1.4, 0.2, missing)

    with PaperPage(alerts=(), change=unfit) as page:
        assert f"needs {told}" in page.ask("/?lang=en").text
