"""A damaged outbox is never silently empty: what can be read goes on under its own numbers, what cannot is in the books."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.adapters.outbox import FILE, Outbox, read_books
from collector.adapters.outbox_salvage import EPOCHS, noted_epochs
from collector.pure.pages import Pages
from driftwatt.errors import Unavailable
from driftwatt.readings import FailedPoll, Reading, Removed, Row
from driftwatt.wire import LedgerLine, read_row

T = 1_800_000_000_000
ROWS, LIVES, ACKED = 400, 3, 150
PAGE = 4096


def opened(folder: Path) -> Outbox:
    return asyncio.run(Outbox.open(folder, max_bytes=4 << 20, tail_s=1e9, when_full="drop_oldest"))


def row(life: int, at: int) -> Row:
    meter = f"meter-{at % 7}"
    if at % 31 == 3:
        return FailedPoll(meter, T + life * 10**7 + at * 1000, "timeout")
    quantities = {"active_power": at + 0.5, "import_energy": 1e6 + at}
    return Reading(meter, T + life * 10**7 + at * 1000, quantities, {f"thd_current_l{1 + at % 3}": 1})


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an outbox of three lives, the first of them acknowledged in part, closed so that its log is in the file."""
    folder = tmp_path_factory.mktemp("outbox")

    async def live(number: int) -> None:
        outbox = await Outbox.open(folder, max_bytes=4 << 20, tail_s=1e9, when_full="drop_oldest")
        for at in range(0, ROWS, 40):
            await outbox.commit([row(number, at + each) for each in range(40)])
        if number == 0:
            await outbox.settle(outbox.epoch, ACKED, "plant")
        await outbox.close()

    for number in range(LIVES):
        asyncio.run(live(number))
    return folder


@pytest.fixture
def copy(before: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(before, tmp_path / "edge"))


def spoil(folder: Path, at: int, what: bytes) -> None:
    with (folder / FILE).open("r+b") as file:
        file.seek(at)
        file.write(what)


async def contents(folder: Path) -> tuple[dict[str, dict[int, Row]], list[str], tuple[LedgerLine, ...]]:
    """Return the rows that are still to be sent by epoch and seq, the alarms, and the books."""
    outbox = await Outbox.open(folder, max_bytes=4 << 20, tail_s=1e9, when_full="drop_oldest")
    rows: dict[str, dict[int, Row]] = {}
    try:
        for span in outbox.held()[:-1]:
            first = max(span.acked + 1, span.base)
            while first <= span.top:
                for parcel in await outbox.read(span.epoch, first, 10**6):
                    rows.setdefault(span.epoch, {})[parcel.seq] = read_row(parcel.body)
                    first = parcel.seq + parcel.count
        return rows, [alarm.code for alarm in outbox.status().alarms], await outbox.ledger_lines(100)
    finally:
        await outbox.close()


def looked(folder: Path) -> tuple[dict[str, dict[int, Row]], list[str], tuple[LedgerLine, ...]]:
    for _ in range(3):  # what is found to be damaged while it is read is set aside there and then
        try:
            return asyncio.run(contents(folder))
        except Unavailable:
            continue
    raise AssertionError("does not open")


def balanced(line: LedgerLine) -> bool:
    committed = line.stored + line.waiting + sum(line.dropped.values()) + line.thinned + line.quarantined
    return line.polled == line.committed + sum(line.failed.values()) and line.committed == committed


def judge(folder: Path, *, books_spoilt: bool = False) -> Counter[str]:
    """Return what became of the rows; raise when anything was lost without a word. Spoilt books may not balance: that is a word."""
    rows, _, books = looked(folder)
    assert books_spoilt or all(balanced(line) for line in books), [line for line in books if not balanced(line)]
    counts: Counter[str] = Counter()
    names = noted_epochs(folder)
    order = {name: no - 1 for no, name in names.items()}
    for epoch, found in rows.items():
        for seq, each in found.items():
            if isinstance(each, Removed):
                counts["removed"] += each.count
            else:
                assert each == row(order[epoch], seq - 1), "a row that was never committed"
                counts["good"] += isinstance(each, Reading)
    damaged = list(folder.glob("*.damaged-*"))
    if damaged:
        assert any(line.meter == "-" and line.failed.get("outbox_damaged") for line in books), "no entry in the books"
        counts["aside"] += 1
    waiting = sum(line.waiting for line in books)
    lost = sum(line.dropped.get("corrupt", 0) for line in books)
    counts["lost"] += lost
    counts["hidden"] = waiting - counts["good"]
    assert books_spoilt or counts["hidden"] >= 0, "the books know of every row that is there"
    return counts


def expected() -> int:
    return sum(isinstance(row(life, at), Reading) for life in range(LIVES) for at in range(ACKED if life == 0 else 0, ROWS))


def test_an_outbox_without_damage_is_not_touched(copy: Path) -> None:
    counts = judge(copy)
    assert (counts["good"], counts["lost"], counts["aside"]) == (expected(), 0, 0)


def test_every_record_of_a_sound_file_is_found_in_its_pages(before: Path) -> None:
    raw = (before / FILE).read_bytes()
    sizes = Counter(len(record.values) for record in Pages(raw).records() if record.rowid is not None)
    assert sizes[6] == LIVES * ROWS
    assert sizes[8] == LIVES


def test_what_only_the_log_holds_is_found_as_well(copy: Path, tmp_path: Path) -> None:
    other = tmp_path / "torn"
    other.mkdir()

    async def live() -> None:
        outbox = await Outbox.open(copy, max_bytes=4 << 20, tail_s=1e9, when_full="drop_oldest")
        await outbox.commit([row(3, at) for at in range(40)])
        for name in (FILE, FILE + "-wal", EPOCHS):
            shutil.copy(copy / name, other / name)
        await outbox.close()

    asyncio.run(live())
    log = (other / (FILE + "-wal")).read_bytes()
    assert len(log) > PAGE
    records = list(Pages((other / FILE).read_bytes(), log).records())
    assert sum(len(record.values) == 6 for record in records if record.rowid is not None) == LIVES * ROWS + 40


@pytest.mark.parametrize("page", ["header", "epochs", "meters", "books", "everything but rows"])
def test_rows_are_recovered_whatever_else_is_damaged(copy: Path, page: str) -> None:
    with sqlite3.connect(copy / FILE) as disk:
        roots = {"header": 1, **dict(disk.execute("SELECT name, rootpage FROM sqlite_master"))}
    disk.close()
    for number in (number for name, number in roots.items() if name == page or (page not in roots and name != "rows")):
        spoil(copy, (number - 1) * PAGE, b"\x07" * (100 if number == 1 else PAGE))
    counts = judge(copy)
    assert counts["aside"] == 1
    assert counts["good"] >= expected()  # rows that the plant has may come again


def test_a_page_of_rows_is_lost_and_told_and_the_others_are_delivered(copy: Path) -> None:
    raw = (copy / FILE).read_bytes()
    leaves = [at for at in range(0, len(raw), PAGE) if raw[at] == 0x0D and at > 10 * PAGE]
    spoil(copy, leaves[len(leaves) // 2], b"\x07" * PAGE)
    counts = judge(copy)
    assert counts["aside"] == 1
    assert 0 < counts["lost"] < 100
    assert counts["good"] + counts["lost"] == expected()


def flips(size: int, count: int) -> Iterator[tuple[int, int]]:
    dice = random.Random(11)
    for _ in range(count):
        yield dice.randrange(size), 1 << dice.randrange(8)


def test_no_flipped_bit_empties_an_outbox_without_a_word(before: Path, tmp_path: Path) -> None:
    raw = (before / FILE).read_bytes()
    worst = expected()
    for number, (at, bit) in enumerate(flips(len(raw), 60)):
        folder = Path(shutil.copytree(before, tmp_path / str(number)))
        spoil(folder, at, bytes([raw[at] ^ bit]))
        counts = judge(folder, books_spoilt=raw[at // PAGE * PAGE] == 0x0A)
        worst = min(worst, counts["good"])
        shutil.rmtree(folder)
    assert worst >= expected() - 60, "a flipped bit costs a page at most"


def test_a_row_that_a_flipped_bit_hides_is_booked_once_everything_else_is_acknowledged(copy: Path) -> None:
    raw = (copy / FILE).read_bytes()
    leaves = [at for at in range(0, len(raw), PAGE) if raw[at] == 0x0D and at > 10 * PAGE]
    leaf = leaves[len(leaves) // 2]
    spoil(copy, leaf + 8 + 2 * 7, raw[leaf + 8 + 2 * 6 : leaf + 8 + 2 * 7])  # the pointer of one row shows another
    assert judge(copy)["hidden"] == 1

    async def live() -> tuple[list[str], tuple[LedgerLine, ...]]:
        outbox = await Outbox.open(copy, max_bytes=4 << 20, tail_s=1e9, when_full="drop_oldest")
        for span in outbox.held():
            await outbox.settle(span.epoch, span.top, "plant")
        await outbox.prune(T)
        found = [alarm.code for alarm in outbox.status().alarms], await outbox.ledger_lines(100)
        await outbox.close()
        return found

    alarms, books = asyncio.run(live())
    assert alarms == ["outbox_damaged"]
    assert sum(line.dropped.get("corrupt", 0) for line in books) == 1
    assert all(balanced(line) and not line.waiting for line in books)


def test_a_kill_while_a_file_is_mended_begins_again_or_goes_on(copy: Path) -> None:
    spoil(copy, 0, b"\x07" * 100)
    (copy / (FILE + ".salvage")).write_bytes(b"half")
    counts = judge(copy)
    assert counts["good"] == expected()
    (copy / FILE).rename(copy / (FILE + ".salvaged"))
    counts = judge(copy)
    assert counts["good"] == expected()
    assert not list(copy.glob("*.salvage*"))
    assert read_books(copy)


def balanced_books(folder: Path) -> tuple[LedgerLine, ...]:
    return tuple(line for line in looked(folder)[2] if line.meter != "-")


@pytest.mark.parametrize("what", ["polled", "committed", "stored", "waiting"])
def test_a_counter_with_a_wrong_bit_is_worked_out_from_the_others_and_told(copy: Path, what: str) -> None:
    right = balanced_books(copy)
    with sqlite3.connect(copy / FILE) as disk:
        disk.execute("UPDATE books SET n = n | 1 << 20 WHERE what = ? AND meter = 3", (what,))
    disk.close()
    rows, alarms, lines = looked(copy)
    assert rows
    assert "outbox_damaged" in alarms
    assert any(line.meter == "-" and line.failed.get("outbox_damaged") for line in lines), "no entry in the books"
    assert tuple(line for line in lines if line.meter != "-") == right


def test_a_mark_with_a_wrong_bit_costs_duplicates_and_no_row(copy: Path) -> None:
    with sqlite3.connect(copy / FILE) as disk:
        disk.execute("UPDATE epochs SET acked = acked | 256 WHERE no = 1")
    disk.close()
    counts = judge(copy)
    assert counts["aside"] == 1
    assert counts["good"] >= expected()


def test_an_outbox_of_the_first_version_goes_on(copy: Path) -> None:
    right = looked(copy)
    with sqlite3.connect(copy / FILE) as disk:
        disk.executescript(
            """ALTER TABLE epochs DROP COLUMN twin;
            CREATE TABLE former (day INTEGER NOT NULL, meter INTEGER NOT NULL, what TEXT NOT NULL, n INTEGER NOT NULL,
              PRIMARY KEY (day, meter, what)) WITHOUT ROWID;
            INSERT INTO former SELECT day, meter, what, n FROM books;
            DROP TABLE books;
            ALTER TABLE former RENAME TO books;
            PRAGMA user_version = 1;
            PRAGMA application_id = 0;"""
        )
    disk.close()
    rows, alarms, lines = looked(copy)
    assert (rows, alarms, lines) == right


@pytest.mark.parametrize("pragma", ["user_version", "application_id"])
@pytest.mark.parametrize("bit", [0, 1, 7, 30])
def test_a_wrong_bit_in_the_version_is_damage_and_no_other_version(copy: Path, pragma: str, bit: int) -> None:
    with sqlite3.connect(copy / FILE) as disk:
        found = disk.execute(f"PRAGMA {pragma}").fetchone()[0]
        disk.execute(f"PRAGMA {pragma} = {found ^ 1 << bit}")
    disk.close()
    counts = judge(copy)
    assert (counts["good"], counts["aside"]) == (expected(), 1)


@pytest.mark.parametrize("word", [b"TABLE rows", b"TABLE books", b"TABLE epochs", b" acked"])
def test_a_wrong_bit_in_the_text_of_the_schema_is_damage(copy: Path, word: bytes) -> None:
    at = (copy / FILE).read_bytes().index(word) + len(word) - 1
    spoil(copy, at, bytes((word[-1] ^ 4,)))
    counts = judge(copy)
    assert (counts["good"], counts["aside"]) == (expected(), 1)
