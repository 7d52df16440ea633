"""Files that nobody would write by mistake: each is refused in one clear sentence, quickly, without reading elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from config.catalogue import find, find_or_path
from config.loader import kind_of, load_calendar, load_edge, load_factors, load_plant, load_profile, load_tariff
from config.source import MAX_BYTES
from driftwatt.errors import ConfigError, ConfigErrors

EDGE = '[edge]\nid = "a"\n[broker]\nurl = "mqtt://127.0.0.1"\n[[bus]]\nid = "b"\nurl = "tcp://192.0.2.1"\n'
METER = '[[bus.meter]]\nid = "m"\nunit = 1\nprofile = "eastron-sdm120"\n'
GOOD = EDGE + METER


def _with(old: str, new: str) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new, 1).encode()


HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "only a comment": b"# nothing\n",
    "only a byte order mark": b"\xef\xbb\xbf",
    "a NUL": GOOD.encode() + b"\x00",
    "a carriage return alone": GOOD.replace("\n", "\r").encode(),
    "not UTF-8": GOOD.encode() + b"# \xff\xfe\n",
    "UTF-16": GOOD.encode("utf-16"),
    "an image": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "one byte too large": GOOD.encode() + b"#" * (MAX_BYTES + 1 - len(GOOD)),
    "ten megabytes": b"x = 1\n" * 1_700_000,
    "nested arrays": GOOD.encode() + b"[x]\ny = " + b"[" * 5000 + b"]" * 5000,
    "nested tables": GOOD.encode() + b"[x]\ny = " + b"{a=" * 5000 + b"1" + b"}" * 5000,
    "nested arrays over lines": GOOD.encode() + b"[x]\ny = " + b"[\n" * 50_000,
    "dotted key without end": b"a" + b".a" * 100_000 + b" = 1\n",
    "many dotted keys": b"".join(b"a%d" % line + b".a" * 100 + b" = 1\n" for line in range(199)),
    "too many dotted keys": b"".join(b"a%d" % line + b".a" * 100 + b" = 1\n" for line in range(4800)),
    "an integer of 5000 digits": _with("unit = 1", "unit = " + "9" * 5000),
    "a hexadecimal integer of 5000 digits": _with("unit = 1", "unit = 0x" + "F" * 5000),
    "an integer of 100 digits": _with("unit = 1", "unit = " + "9" * 100),
    "infinity as unit": _with("unit = 1", "unit = inf"),
    "a float as unit": _with("unit = 1", "unit = 1.0"),
    "truth as unit": _with("unit = 1", "unit = true"),
    "a date as unit": _with("unit = 1", "unit = 2026-01-01"),
    "a list as unit": _with("unit = 1", "unit = [1]"),
    "a negative unit": _with("unit = 1", "unit = -1"),
    "unit nought": _with("unit = 1", "unit = 0"),
    "a table as id": _with('id = "m"', "id = { a = 1 }"),
    "an empty id": _with('id = "m"', 'id = ""'),
    "an id with a slash": _with('id = "m"', 'id = "a/b"'),
    "an id with a newline": _with('id = "m"', 'id = "a\\nb"'),
    "an id with a wildcard": _with('id = "m"', 'id = "+"'),
    "an id of 64 letters": _with('id = "m"', f'id = "{"m" * 64}"'),
    "an id in another script": _with('id = "m"', 'id = "máy"'),
    "a digit of another script in an id": _with('id = "m"', 'id = "m١"'),
    "an infinite duration": _with("unit = 1", 'unit = 1\nevery = "1e999s"'),
    "a negative duration": _with("unit = 1", 'unit = 1\nevery = "-1s"'),
    "a duration of 400 digits": _with("unit = 1", f'unit = 1\nevery = "{"9" * 400}s"'),
    "a duration of nothing": _with("unit = 1", 'unit = 1\nevery = "0s"'),
    "a size of 400 digits": GOOD.encode() + f'[outbox]\nmax_bytes = "{"9" * 400}GB"\n'.encode(),
    "a profile above its folder": _with('"eastron-sdm120"', '"../meters/eastron-sdm120"'),
    "an absolute profile": _with('"eastron-sdm120"', '"/etc/passwd"'),
    "a profile with a NUL": _with('"eastron-sdm120"', '"eastron\\u0000"'),
    "a dunder key": GOOD.encode() + b"[__class__]\n__init__ = 1\n",
    "a url with brackets": _with("tcp://192.0.2.1", "tcp://[::1"),
    "a url with a port of 70000": _with("tcp://192.0.2.1", "tcp://192.0.2.1:70000"),
    "a url with credentials": _with("tcp://192.0.2.1", "tcp://a:b@192.0.2.1"),
    "a broker that is a file": _with("mqtt://127.0.0.1", "file:///etc/passwd"),
    "a broker inside an edge": _with("mqtt://127.0.0.1", "embedded"),
    "no bus at all": b'bus = []\n[edge]\nid = "a"\n[broker]\nurl = "mqtt://127.0.0.1"\n',
    "a table where a list belongs": GOOD.replace("[[bus]]", "[bus]").replace("[[bus.meter]]", "[bus.meter]").encode(),
}


def test_the_file_that_the_hostile_ones_are_made_from_is_right(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_bytes(GOOD.encode())
    assert load_edge(file).bus[0].meter[0].id == "m"


def test_a_byte_order_mark_and_windows_line_ends_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_edge(file).edge.id == "a"


@pytest.mark.timeout(10)
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_refused_in_short_lines(what: str, tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_bytes(HOSTILE[what])
    with pytest.raises(ConfigErrors) as caught:
        load_edge(file)
    for line in str(caught.value).splitlines():
        assert line.startswith(str(file))
        assert len(line) < 1000
        assert line.isprintable()


@pytest.mark.parametrize("load", [load_edge, load_plant, kind_of], ids=lambda load: load.__name__)
def test_what_is_no_file_is_refused(load: Callable[[Path], object], tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.toml", tmp_path / "a\0b.toml"):
        with pytest.raises(ConfigErrors, match="cannot be read"):
            load(path)


TRAVERSAL = [
    "../x",
    "../../etc/passwd",
    "/etc/passwd",
    "a/../../x",
    "..",
    ".",
    "",
    "x\0",
    "~root",
    "C:\\x",
    "%2e%2e",
    "x/",
    "Ünter",
    "a" * 300,
]


@pytest.mark.parametrize("name", TRAVERSAL)
def test_no_name_leads_out_of_the_listed_folders(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("", encoding="utf-8")
    inner = tmp_path / "profiles"
    inner.mkdir()
    with pytest.raises(ConfigError, match="is not known"):
        find("profile", name, [inner])
    for load in (load_tariff, load_calendar, load_factors):
        with pytest.raises(ConfigErrors):
            load(name, inner)
        with pytest.raises(ConfigErrors):
            load(f"{name}.toml", inner)


def test_no_link_leads_out_of_the_listed_folders(tmp_path: Path) -> None:
    outside = tmp_path / "outside.toml"
    outside.write_text("", encoding="utf-8")
    inner = tmp_path / "profiles"
    inner.mkdir()
    (inner / "linked.toml").symlink_to(outside)
    with pytest.raises(ConfigErrors, match="leads out of its folder"):
        load_profile("linked", [inner])
    with pytest.raises(ConfigError, match="leads out of its folder"):
        find_or_path("tariff", "linked.toml", inner, inner)


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    real = tmp_path / "..data" / "own.toml"
    real.write_text("", encoding="utf-8")
    (tmp_path / "own.toml").symlink_to(real)
    assert find("profile", "own", [tmp_path]) == tmp_path / "own.toml"


def test_a_plant_file_given_as_an_edge_file_is_told_once() -> None:
    examples = Path(__file__).parents[2] / "config/examples"
    with pytest.raises(ConfigErrors, match=r"plant\.toml: is another kind of file \(found a file of the plant kind; allowed: edge\)$"):
        load_edge(examples / "plant.toml")
    with pytest.raises(ConfigErrors, match=r"edge\.toml: is another kind of file \(found a file of the edge kind; allowed: plant\)$"):
        load_plant(examples / "edge.toml")
