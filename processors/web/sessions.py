"""Who may come in: people from plant.toml, scrypt hashes, sessions in memory, and patience with wrong passwords."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LOG_N, BLOCK, LANES = 14, 8, 1
MAX_TRIES, WINDOW_MS, LIFE_MS = 5, 15 * 60_000, 12 * 3_600_000
MAX_SESSIONS, MAX_NAMES = 1000, 1000
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at the page. `role` is viewer, operator or admin."""

    name: str
    role: str


LOCAL = Person("local", "operator")
"""Every visitor of a plant without users: loopback only."""
NOBODY = Person("", "viewer")


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in; `password` is what `hash_password` made."""

    name: str
    role: str
    password: str


def hash_password(password: str) -> str:
    """Return `scrypt$14$8$1$salt$hash`, both base64. About 50 ms and 16 MiB."""
    salt = secrets.token_bytes(16)
    return f"scrypt${LOG_N}${BLOCK}${LANES}${_b64(salt)}${_b64(_derive(password, salt, LOG_N, BLOCK, LANES))}"


def verify_password(password: str, stored: str) -> bool:
    """Tell whether a password belongs to a stored hash; False for a hash that cannot be read."""
    try:
        word, log_n, block, lanes, salt, expected = stored.strip().split("$")
        if word != "scrypt" or not 10 <= int(log_n) <= 17 or not 1 <= int(block) <= 16 or not 1 <= int(lanes) <= 4:
            return False
        found = _derive(password, base64.b64decode(salt, validate=True), int(log_n), int(block), int(lanes))
        return hmac.compare_digest(found, base64.b64decode(expected, validate=True))
    except ValueError:
        return False


def _derive(password: str, salt: bytes, log_n: int, block: int, lanes: int) -> bytes:
    secret = password.encode()[:1024]
    return hashlib.scrypt(secret, salt=salt, n=1 << log_n, r=block, p=lanes, maxmem=256 << 20, dklen=_HASH_BYTES)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Sessions:
    """Open sessions and recent wrong tries. Bounded; forgotten when the process ends. Times are UTC ms."""

    def __init__(self, accounts: Sequence[Account] = ()) -> None:
        self._accounts: Mapping[str, Account] = {account.name: account for account in accounts}
        self._open: dict[str, tuple[Person, int]] = {}
        self._wrong: dict[str, list[int]] = {}
        self._nobody = hash_password(secrets.token_hex(16)) if accounts else ""

    def follow(self, accounts: Sequence[Account]) -> None:
        """Follow a changed list of people: who is gone, or has another role or password, is signed out."""
        before, self._accounts = self._accounts, {account.name: account for account in accounts}
        same = {name for name, account in self._accounts.items() if before.get(name) == account}
        self._open = {cookie: found for cookie, found in self._open.items() if found[0].name in same}
        if accounts and not self._nobody:
            self._nobody = hash_password(secrets.token_hex(16))

    @property
    def wanted(self) -> bool:
        """Whether people have to sign in."""
        return bool(self._accounts)

    def person(self, cookie: str, now_ms: int | None = None) -> Person:
        """Return whose session a cookie is; NOBODY without one."""
        if not self.wanted:
            return LOCAL
        found = self._open.get(cookie)
        if found is None or (now_ms is not None and now_ms > found[1]):
            self._open.pop(cookie, None)
            return NOBODY
        return found[0]

    def tries_left(self, name: str, address: str, now_ms: int) -> int:
        """Return how many more passwords may be tried for a name or from an address."""
        counts = [len(self._recent(key, now_ms)) for key in (f"name {name}", f"from {address}")]
        return max(0, MAX_TRIES - max(counts[0], counts[1] // 4))

    def sign_in(self, name: str, password: str, address: str, now_ms: int) -> str | None:
        """Return the cookie of a new session, or None. The caller has asked `tries_left`; takes as long either way."""
        account = self._accounts.get(name)
        right = verify_password(password, account.password if account else self._nobody)
        if account is None or not right:
            for key in (f"name {name}", f"from {address}"):
                if len(self._wrong) < MAX_NAMES or key in self._wrong:
                    self._wrong[key] = [*self._recent(key, now_ms), now_ms]
            return None
        if len(self._open) >= MAX_SESSIONS:
            self._open.pop(next(iter(self._open)))
        self._wrong.pop(f"name {name}", None)
        cookie = secrets.token_hex(16)
        self._open[cookie] = (Person(account.name, account.role), now_ms + LIFE_MS)
        return cookie

    def sign_out(self, cookie: str) -> None:
        """End a session; unknown ones are ignored."""
        self._open.pop(cookie, None)

    def _recent(self, key: str, now_ms: int) -> list[int]:
        recent = [t_ms for t_ms in self._wrong.get(key, ()) if now_ms - t_ms < WINDOW_MS]
        if key in self._wrong and not recent:
            del self._wrong[key]
        return recent
