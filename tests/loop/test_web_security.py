"""The gate of the page: host names, headers, tokens, sign-in, caps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from driftwatt.hosts import is_loopback
from processors.web.security import HEADERS, allowed_host, split_listen
from processors.web.sessions import Account, Sessions, hash_password, verify_password
from tests.loop.page_on_paper import PaperPage
from tests.loop.plant_on_paper import compressor_alert

ALERT = compressor_alert().id
MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def page() -> Iterator[PaperPage]:
    with PaperPage() as running:
        yield running


@pytest.mark.parametrize("path", ["/", "/api/v1/live", "/nothing", "/metrics", "/healthz"])
def test_every_answer_carries_the_security_headers(page: PaperPage, path: str) -> None:
    headers = page.ask(path).headers
    for name, value in HEADERS.items():
        assert headers[name.lower()] == value
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"


def test_foreign_host_names_are_refused(page: PaperPage) -> None:
    assert page.ask("/", headers={"Host": "evil.example"}).status == 421
    assert page.ask("/api/v1/live", headers={"Host": "localhost.evil.example:80"}).status == 421
    assert page.ask("/", headers={"Host": "localhost:1234"}).status == 200


@pytest.mark.parametrize(
    ("header", "good"), [("127.0.0.1:8080", True), ("[::1]:8080", True), ("localhost", True), ("", False), ("a.b", False), ("[x", False)]
)
def test_host_headers(header: str, good: bool) -> None:  # noqa: FBT001
    assert allowed_host(header, {"localhost"}) is good


def test_listen_addresses() -> None:
    assert split_listen("[::1]:80") == ("::1", 80)
    assert split_listen(":80") == ("0.0.0.0", 80)
    assert is_loopback("127.3.2.1")
    assert not is_loopback("10.0.0.1")


@pytest.mark.parametrize(
    "change",
    [
        {"X-CSRF-Token": "0" * 64},
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "\xe9" * 64},
        {"Cookie": "dw_sid=" + "a" * 32},
        {"Cookie": ""},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
def test_a_change_needs_the_token_of_this_page(page: PaperPage, change: dict[str, str]) -> None:
    first = page.ask("/")
    token = re.search(r'name="csrf" content="([0-9a-f]{64})"', first.text)
    assert token
    good = {"Cookie": first.headers["set-cookie"].split(";")[0], "X-CSRF-Token": token[1]}
    body = json.dumps({"note": "x"}).encode()
    path = f"/api/v1/alerts/{ALERT}/comment"
    assert page.ask(path, method="POST", body=body, headers=good | change).status == 403
    assert page.ask(path, method="POST", body=body, headers=good).status == 200


def test_the_visitors_cookie_is_for_this_site_only(page: PaperPage) -> None:
    cookie = page.ask("/").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_large_bodies_are_refused(page: PaperPage) -> None:
    assert page.ask(f"/api/v1/alerts/{ALERT}/comment", method="POST", body=b"x" * 20_000).status == 413


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/x/../../app.py", "/%2e%2e/app.py"])
def test_no_file_outside_the_assets_is_served(page: PaperPage, path: str) -> None:
    assert page.ask(path).status == 404


def test_assets_may_be_kept_for_ever_because_their_address_is_their_content(page: PaperPage) -> None:
    found = re.search(r'href="(/static/[0-9a-f]{12}/css/page\.css)"', page.ask("/").text)
    assert found
    assert "immutable" in page.ask(found[1]).headers["cache-control"]


ACCOUNTS = (Account("minh", "operator", hash_password("một mật khẩu dài")), Account("xem", "viewer", hash_password("chỉ xem")))


def signed_in(page: PaperPage, name: str, password: str) -> str:
    form = page.ask("/signin")
    token = re.search(r'name="csrf" value="([0-9a-f]{64})"', form.text)
    assert token
    from urllib.parse import urlencode

    body = urlencode({"csrf": token[1], "name": name, "password": password}).encode()
    headers = {"Cookie": form.headers["set-cookie"].split(";")[0], "Content-Type": "application/x-www-form-urlencoded"}
    answer = page.ask("/signin?next=//evil.example", method="POST", body=body, headers=headers)
    if answer.status != 303:
        return str(answer.status)
    assert answer.headers["location"] == "/"
    assert answer.headers["set-cookie"].split(";")[0] != headers["Cookie"], "a new session has a new cookie"
    return answer.headers["set-cookie"].split(";")[0]


def test_with_users_nothing_is_seen_before_signing_in() -> None:
    with PaperPage(accounts=ACCOUNTS) as page:
        assert page.ask("/").headers["location"].startswith("/signin")
        assert page.ask("/alerts").status == 303
        for path in ("/api/v1/live", "/api/v1/events", "/metrics", f"/api/v1/alerts/{ALERT}"):
            assert page.ask(path).status == 401
        assert page.ask("/healthz").status == 200


def test_signing_in_opens_the_page_and_a_viewer_may_not_answer() -> None:
    with PaperPage(accounts=ACCOUNTS) as page:
        cookie = signed_in(page, "minh", "một mật khẩu dài")
        assert "minh" in page.ask("/", headers={"Cookie": cookie}).text
        viewer = signed_in(page, "xem", "chỉ xem")
        seen = page.ask(f"/alerts/{ALERT}", headers={"Cookie": viewer}).text
        assert 'data-act="ack"' not in seen
        token = re.search(r'name="csrf" content="([0-9a-f]{64})"', seen)
        assert token
        headers = {"Cookie": viewer, "X-CSRF-Token": token[1]}
        assert page.ask(f"/api/v1/alerts/{ALERT}/ack", method="POST", body=b'{"reason":"known"}', headers=headers).status == 403


def test_who_signs_in_or_out_or_tries_to_is_told() -> None:
    with PaperPage(accounts=ACCOUNTS) as page:
        assert signed_in(page, "minh", "wrong") == "401"
        cookie = signed_in(page, "minh", "một mật khẩu dài")
        token = re.search(r'name="csrf" content="([0-9a-f]{64})"', page.ask("/", headers={"Cookie": cookie}).text)
        assert token
        headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        page.ask("/signout", method="POST", body=f"csrf={token[1]}".encode(), headers=headers)
        assert page.audited == [("minh", "sign_in_failed"), ("minh", "signed_in"), ("minh", "signed_out")]


def test_a_monitoring_system_reads_metrics_with_its_token_and_nothing_else() -> None:
    with PaperPage(accounts=ACCOUNTS, scraper="s3cret") as page:
        token = {"Authorization": "Bearer s3cret"}
        assert page.ask("/metrics", headers=token).status == 200
        assert page.ask("/metrics", headers={"Authorization": "Bearer s3cre"}).status == 401
        assert page.ask("/metrics", headers={"Authorization": "Bearer "}).status == 401
        assert page.ask("/api/v1/live", headers=token).status == 401
        assert page.ask("/", headers=token).status == 303
    with PaperPage(accounts=ACCOUNTS) as page:
        assert page.ask("/metrics", headers={"Authorization": "Bearer "}).status == 401


def test_the_person_who_acknowledged_is_the_one_who_signed_in() -> None:
    with PaperPage(accounts=ACCOUNTS) as page:
        cookie = signed_in(page, "minh", "một mật khẩu dài")
        token = re.search(r'name="csrf" content="([0-9a-f]{64})"', page.ask("/", headers={"Cookie": cookie}).text)
        assert token
        headers = {"Cookie": cookie, "X-CSRF-Token": token[1]}
        answer = page.ask(f"/api/v1/alerts/{ALERT}/ack", method="POST", body=b'{"reason":"known","by":"somebody"}', headers=headers)
        assert answer.json()["ack"]["by"] == "minh"


def test_wrong_passwords_are_counted_and_then_locked() -> None:
    with PaperPage(accounts=ACCOUNTS[:1]) as page:
        assert [signed_in(page, "minh", "falsch") for _ in range(6)] == ["401"] * 5 + ["429"]
        assert signed_in(page, "minh", "một mật khẩu dài") == "429"


def test_a_lock_ends_after_its_window() -> None:
    sessions = Sessions(ACCOUNTS[:1])
    for _ in range(5):
        sessions.sign_in("minh", "no", "10.0.0.1", 0)
    assert sessions.tries_left("minh", "10.0.0.1", MINUTE_MS) == 0
    assert sessions.tries_left("minh", "10.0.0.1", 16 * MINUTE_MS) == 5


def test_a_session_ends_after_twelve_hours() -> None:
    sessions = Sessions(ACCOUNTS[:1])
    cookie = sessions.sign_in("minh", "một mật khẩu dài", "10.0.0.1", 0)
    assert cookie
    assert sessions.person(cookie, 11 * 60 * MINUTE_MS).name == "minh"
    assert sessions.person(cookie, 13 * 60 * MINUTE_MS).name == ""


@pytest.mark.parametrize("stored", ["", "scrypt$99$8$1$AA==$AA==", "plain", "scrypt$14$8$1$!!$AA==", "scrypt$x$8$1$AA==$AA=="])
def test_a_hash_that_cannot_be_read_lets_nobody_in(stored: str) -> None:
    assert not verify_password("", stored)


def test_a_password_is_known_again_and_no_other_is() -> None:
    stored = hash_password("mật khẩu")
    assert verify_password("mật khẩu", stored)
    assert not verify_password("mat khau", stored)
    assert stored != hash_password("mật khẩu")
