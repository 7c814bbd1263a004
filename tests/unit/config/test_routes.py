"""The ``[[route]]`` tables as they are written, and the roads and passwords that a process has of its own."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from softbounce_config import check_file, load, to_plain
from softbounce_config.own_roads import OwnRoads

from softbounce.errors import ConfigError
from softbounce.road import BY_HAND_ONLY, MX, Road

SECRET = "hunter2-canary"


def file_of(tmp_path: Path, text: str) -> Path:
    """A config file."""
    path = tmp_path / "softbounce.toml"
    path.write_text(text)
    return path


def road_of(tmp_path: Path, text: str) -> Road:
    """The road of the one route."""
    (rule,) = load(file_of(tmp_path, f"[[route]]\n{text}"), environ={}).settings().route
    return rule.road


@pytest.mark.parametrize(
    ("text", "port", "implicit", "tls"),
    [
        ('host = "a.test"', 25, False, None),
        ('host = "a.test"\nuser = "u"\npassword_env = "P"', 587, False, "verified"),
        ('host = "a.test"\nuser = "u"\npassword_env = "P"\ntls = "required"', 587, False, "required"),
        ('host = "a.test"\nport = 465', 465, True, None),
        ('host = "a.test"\nimplicit_tls = true', 465, True, None),
        ('host = "a.test"\nimplicit_tls = true\nport = 2465', 2465, True, None),
        ('host = "a.test"\nimplicit_tls = false\nport = 465', 465, False, None),
        ('host = "a.test"\nprotocol = "lmtp"', 24, False, None),
        ('socket = "/run/lmtp"\nprotocol = "lmtp"', 0, False, None),
        ('socket = "/run/smtp"\nuser = "u"\npassword_env = "P"', 0, False, None),
        ('source = "192.0.2.1"', 0, False, None),
        ("port = 2525", 2525, False, None),
    ],
)
def test_issue12_what_follows_where_nothing_is_said(
    tmp_path: Path, text: str, port: int, tls: str | None, *, implicit: bool
) -> None:
    """The port, TLS from the first octet, and what is asked of TLS: a password is for its host only."""
    road = road_of(tmp_path, text)
    assert (road.port, road.implicit_tls, road.tls) == (port, implicit, tls)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ('host = "Smtp.Example.NET."', "smtp.example.net"),
        ('host = "192.0.2.1"', "192.0.2.1"),
        ('host = "2001:DB8::1"', "2001:db8::1"),
        ('host = "[2001:db8::1]"', "2001:db8::1"),
        ('host = "mailpit"', "mailpit"),
    ],
)
def test_issue12_a_smarthost_is_a_name_or_an_address(tmp_path: Path, text: str, host: str) -> None:
    """However it is written."""
    road = road_of(tmp_path, text)
    assert road.host == host
    assert road.lane_of("a.test~0123456789abcdef").startswith(f"{host}~r.")


FAULTS = {
    'user = "u"\npassword_env = "P"': "needs host or socket: nobody logs in at strangers' MX hosts",
    'host = "a"\nuser = "u"': "route[0]: needs its password: give one of password_file and password_env",
    'host = "a"\nuser = "u"\npassword_env = "P"\npassword_file = "p"': "route[0]: needs its password: give one of "
    "password_file and password_env",
    'host = "a"\npassword_env = "P"': "route[0].password_env: has no meaning without user",
    'host = "a"\nlogin_in_clear = true': "route[0].login_in_clear: has no meaning without user",
    'host = "a"\nsocket = "s"': "excludes host: give one of them",
    'protocol = "lmtp"': 'route[0].protocol = "lmtp": needs host or socket: MX hosts do not speak it (RFC 2033 §5)',
    'host = "a"\nprotocol = "lmtp"\nport = 25': "route[0].port = 25: is SMTP's, and never LMTP's (RFC 2033 §5)",
    'socket = "s"\nport = 25': "route[0].port = 25: has no meaning at a socket",
    'socket = "s"\ntls = "required"': 'route[0].tls = "required": has no meaning at a socket',
    'host = "a"\nimplicit_tls = true\ntls = "none"': 'route[0].tls = "none": contradicts implicit_tls',
    'source = ["192.0.2.1", "192.0.2.2"]': "has more than one address of a family",
    'source = ["0.0.0.0"]': "should be an address of this machine's own",
    "source = []": "should be addresses",
    'source = "2001:db8::1"': "hosts without IPv6 could not be dialled",
    'host = "a b"': "not a host name",
    'host = "[::1"': "not a host name",
    'host = "fe80::1%eth0"': "zone",
    'after_reason = "spam"': 'route[0].after_reason = "spam": should be one of',
    "after_attempts = -1": "must be at least 0",
    'family = "ipv4"': "family",
    "by_hand = true": "route[0].by_hand = true: needs a name, by which mail is sent this way",
    'name = "a"\nby_hand = true\nstream = "otp"': 'route[0].stream = "otp": has no meaning with by_hand',
    'name = "a b"': "a name has 1 to 64 letters",
    f'socket = "{"s" * 120}"': "is longer than the 107 octets",
    'user = "a\\u0000b"\nhost = "a"\npassword_env = "P"': "printable",
}


def test_issue15_2_a_route_that_is_for_hands_alone_is_one_that_nothing_reaches(tmp_path: Path) -> None:
    """Also to a version that knows no names: after more attempts than any envelope has."""
    text = '[[route]]\nname = "backup"\nby_hand = true\nhost = "a.test"\n[[route]]\nname = "x"\nstream = "otp"\n'
    backup, other = load(file_of(tmp_path, text), environ={}).settings().route
    assert (backup.name, backup.by_hand, backup.after_attempts) == ("backup", True, BY_HAND_ONLY)
    assert (other.name, other.by_hand) == ("x", False)


@pytest.mark.parametrize("text", FAULTS)
def test_issue12_what_cannot_be_is_said(tmp_path: Path, text: str) -> None:
    """With its place and the reason."""
    path = file_of(tmp_path, f"[[route]]\n{text}\n")
    lines = check_file(path, {})
    assert any(FAULTS[text] in line for line in lines), lines


def test_issue12_one_user_has_one_password_at_a_smarthost(tmp_path: Path) -> None:
    """Which of two would be sent nobody could tell: sessions are shared by all mail of a road."""
    table = '[[route]]\nsender = "{0}@*"\nhost = "a.test"\nuser = "{1}"\npassword_env = "{2}"\n'
    path = file_of(tmp_path, table.format("x", "u", "P") + table.format("y", "U", "Q"))
    (line,) = check_file(path, {})
    assert line.endswith("route[1]: has another password than route[0] for the same user there")
    path.write_text(table.format("x", "u", "P") + table.format("y", "v", "Q") + table.format("z", "u", "P"))
    assert check_file(path, {}) == []


@pytest.mark.parametrize(
    "text",
    [f'password = "{SECRET}"', f'password_env = "{SECRET}"\nuser = "u"', f'password_file = "a"\nuser = "{SECRET}'],
)
def test_issue12_A17_no_fault_tells_a_secret(tmp_path: Path, text: str) -> None:
    """A password that stands where none belongs is not said again."""
    path = file_of(tmp_path, f'[[route]]\nhost = "a"\n{text}\n')
    lines = check_file(path, {})
    assert lines
    assert not [line for line in lines if SECRET in line]


def test_issue12_A17_a_password_is_in_nothing_that_travels(tmp_path: Path) -> None:
    """Not in what is published, nor in what is shown: they name where it is, at most."""
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    text = '[[route]]\nhost = "a.test"\nuser = "u"\npassword_file = "secret"\n'
    config = load(file_of(tmp_path, text), environ={})
    assert SECRET not in json.dumps(to_plain(config))
    published = msgspec.json.encode(config.settings()).decode()
    assert SECRET not in published
    assert "secret" not in published


def test_issue12_paths_are_relative_to_the_config_file(tmp_path: Path) -> None:
    """Of the password's file, and of a socket."""
    text = '[[route]]\nsocket = "run/lmtp"\nprotocol = "lmtp"\n[[route]]\nhost = "a"\nuser = "u"\npassword_file = "p"\n'
    config = load(file_of(tmp_path, text), environ={})
    assert config.route[0].road.socket == str(tmp_path / "run/lmtp")
    assert config.route[1].password_file == tmp_path / "p"


LOGIN = '[[route]]\nhost = "a.test"\nuser = "u"\npassword_file = "p"\n'


def test_issue12_a_password_is_read_each_time(tmp_path: Path) -> None:
    """So that it may change; without its line's end."""
    path = file_of(tmp_path, LOGIN)
    config = load(path, environ={})
    roads = OwnRoads(path, {}, config)
    road = config.route[0].road
    for password in ("one", "two words ", "ünï"):
        (tmp_path / "p").write_text(f"{password}\r\n", newline="")
        login = roads.login(road)
        assert login is not None
        assert (login.user, login.password) == ("u", password)
        assert password not in repr(login)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"a\nb\n", "holds no password"),
        (b"a" * 2000, "holds no password"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"a\0b", "holds no password"),
    ],
)
def test_issue12_a_password_that_is_none_ends_the_start(tmp_path: Path, octets: bytes | None, why: str) -> None:
    """The road and the reason are said, and nothing of it."""
    path = file_of(tmp_path, LOGIN)
    if octets is not None:
        (tmp_path / "p").write_bytes(octets)
    with pytest.raises(ConfigError, match="route to a.test as u: password_file .*" + why):
        OwnRoads(path, {}, load(path, environ={})).check()


def test_issue12_a_password_comes_from_a_variable(tmp_path: Path) -> None:
    """Which must be set."""
    path = file_of(tmp_path, '[[route]]\nhost = "a.test"\nuser = "u"\npassword_env = "P"\n')
    config = load(path, environ={})
    login = OwnRoads(path, {"P": "x"}, config).login(config.route[0].road)
    assert login is not None
    assert login.password == "x"
    with pytest.raises(ConfigError, match="the variable P is not set"):
        OwnRoads(path, {}, config).check()


def test_issue12_A08_a_road_is_ours_that_our_file_names_now(tmp_path: Path) -> None:
    """The very same, host and port and user: a reload needs no restart, and nobody else's road counts."""
    path = file_of(tmp_path, "")
    roads = OwnRoads(path, {}, load(path, environ={}))
    road = Road(host="a.test", port=25)
    assert road not in roads
    path.write_text('[[route]]\nhost = "a.test"\n')
    assert road in roads
    assert Road(host="a.test", port=26) not in roads
    assert msgspec.structs.replace(road, user="root") not in roads
    path.write_text("[[route]\n")
    assert Road(host="b.test", port=25) not in roads
    assert road in roads  # a file with a slip in it takes nothing away
    path.write_text("")
    assert road not in roads


def test_issue12_two_roads_have_two_lanes() -> None:
    """Whatever tells them apart is in the lane's name; the usual road's is the site's id."""
    site = "a.test~0123456789abcdef"
    assert MX.lane_of(site) == site
    roads = [
        Road(host="a.test", port=25),
        Road(host="a.test", port=26),
        Road(host="a.test", port=25, user="u"),
        Road(source=("192.0.2.1",)),
        Road(hostname="b.test"),
    ]
    lanes = [road.lane_of(site) for road in roads]
    assert len(set(lanes)) == len(lanes)
