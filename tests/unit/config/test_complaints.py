from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from softbounce_config import check_file, load

from softbounce.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

RULE = '[[reply]]\nname = "r"\ncode = "552"\n'


def complaints(folder: Path, text: str) -> list[str]:
    """What is wrong with *text*, without the file's name."""
    path = folder / "c.toml"
    path.write_text(text)
    return [line.removeprefix(f"{path}: ") for line in check_file(path, {})]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[smtp]\nprot = 25", "smtp.prot = 25: unknown key; did you mean port?"),
        ("[worker]\nport = 25", "worker.port = 25: unknown key; port belongs in [smtp]"),
        ("[smtpp]\nport = 25", "smtpp: unknown section; did you mean smtp?"),
        ("port = 25", "port = 25: unknown section; port belongs in [smtp]"),
        ("smtp = 25", "smtp = 25: is a table, not a value"),
        ("policy = 25", "policy = 25: is a table, not a value"),
        ("[lane]\nsite = '*'", "lane: is a list of tables: write [[lane]] above each, with double brackets"),
        ('[smtp]\nport = "25"', 'smtp.port = "25": should be a whole number'),
        ("[smtp]\nport = true", "smtp.port = true: should be a whole number"),
        ("[smtp]\nport = 0", "smtp.port = 0: must be at least 1"),
        ("[smtp]\nport = 65536", "smtp.port = 65536: must be at most 65535"),
        ("[smtp]\nallow_private_addresses = 1", "smtp.allow_private_addresses = 1: should be true or false"),
        ("[store]\nshards = 257", "store.shards = 257: must be at most 256"),
        ("[worker]\nlease = '999ms'", 'worker.lease = "999ms": must be at least 1s'),
        ("[store]\ndurability = 'never'", "store.durability = \"never\": should be 'always', 'everysec' or 'none'"),
        ("[store]\ndata_dir = ''", 'store.data_dir = "": should be a path'),
        ("[store]\ndata_dir = 'a\\u0000b'".replace("'", '"'), "store.data_dir = "),
        ("[store]\ndata_dir = 5", "store.data_dir = 5: should be a path, in quotes"),
        ("[classify]\ndisabled_rules = 'x'", 'classify.disabled_rules = "x": should be a list of words'),
        ("[policy.p]\ndelays = '5m'", 'policy.p.delays = "5m": should be a list of durations'),
        ("[policy.p]\ndelays = ['5m', 5]", "policy.p.delays[1] = 5: a duration has a unit and stands in quotes"),
        ("[policy.p]\nwarn_after = '-1s'", 'policy.p.warn_after = "-1s": a duration is a number and a unit'),
        ("[smtp]\nmax_message = 26214400", "smtp.max_message = 26214400: a size has a unit and stands in quotes"),
        ("[smtp]\nmax_message = '0B'", 'smtp.max_message = "0B": must be more than 0'),
        ("[policy.p]\njitter = 0.91", "policy.p.jitter = 0.91: must be at most 0.9"),
        ("[policy.p]\njitter = nan", "policy.p.jitter = NaN: should be a number"),
        ("[policy.p]\nfactor = 0.5", "policy.p.factor = 0.5: must be at least 1"),
        ("[policy.p]\nwindow = '0s'", 'policy.p.window = "0s": must be longer than 0'),
        ("[policy.p]\nmax_attempts = -1", "policy.p.max_attempts = -1: must be at least 0"),
        ("[policy.p]\nwait = 'fast'", 'policy.p.wait = "fast": names a tenacity wait strategy'),
        ("[policy.p]\nwait = 'a:b'\ndelays = ['1s']", 'policy.p.wait = "a:b": excludes delays'),
        ("[policy.'a b']", "policy.a b: a name has 1 to 64"),
        ("[policy.a]\n[policy.A]", "policy.A: differs from a by case only"),
        ("[[assign]]\nstream = 'x'", "assign[0].policy: is missing"),
        (
            "[[tls]]\nmode = 'always'",
            "tls[0].mode = \"always\": should be 'none', 'opportunistic', 'required' or 'verified'",
        ),
        ("[[tls]]\nminimum_version = '1.0'", "tls[0].minimum_version = \"1.0\": should be '1.2' or '1.3'"),
        ("[[tls]]\nminimum_version = 1.3", "tls[0].minimum_version = 1.3: should be '1.2' or '1.3'"),
        (
            "[[tls]]\nmode = 'none'\nminimum_version = '1.3'",
            'tls[0].minimum_version = "1.3": has no meaning with mode = "none"',
        ),
        ("[[tls]]\nmode = 'verified'\nroots = 'none.pem'", "tls[0].roots = "),
        ("[[tls]]\nmode = 'verified'\nroots = 5", "tls[0].roots = 5: should be a path, in quotes"),
        (
            "[policy.otp]\n[[assign]]\npolicy='default'\n[[assign]]\npolicy = 'opt'",
            'assign[1].policy = "opt": no such policy; did you mean otp?',
        ),
        ("[[assign]]\npolicy='default'\nsite=''", 'assign[0].site = "": a glob has 1 to 255'),
        ("[[lane]]\nconnections = 0", "lane[0].connections = 0: must be at least 1"),
        (
            "[[lane]]\nrate = 100",
            "lane[0].rate = 100: a rate has a unit and stands in quotes; the units are /s, /m, /h and /d",
        ),
        ("[[lane]]\nrate = '100'", 'lane[0].rate = "100": a rate is a number for each unit of time'),
        (RULE + "stage = 'rcp'", 'reply[0].stage = "rcp": should be one of route, connect, greeting'),
        (RULE + "reason = 'full'", 'reply[0].reason = "full": should be one of bad_mailbox'),
        (RULE + "fault = 'theirs'", 'reply[0].fault = "theirs": should be one of recipient, message, sender, system'),
        (RULE + "enhanced = 'x.1.1'", 'reply[0].enhanced = "x.1.1": fits no enhanced status code'),
        (RULE + "retry = 'yes'", 'reply[0].retry = "yes": should be true or false'),
        (RULE + RULE, 'reply[1].name = "r": reply[0] has this name already'),
        ("[[reply]]\nname = 'r'\ncode = '2*'", 'reply[0].code = "2*": fits no reply code from 400 to 599'),
        ("[[reply]]\nname = 'r'", "reply[0]: would judge every reply: give at least one of code"),
        ("[[reply]]\ncode = '4*'", "reply[0].name: is missing"),
    ],
)
def test_fault_is_one_line_with_place_value_and_reason(tmp_path: Path, text: str, line: str) -> None:
    """Each fault is one line: where, what stands there, what is wrong with it."""
    found = complaints(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(line)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("smtp.timeouts.connect", "30"),
        ("policy.p.window", "15"),
        ("policy.p.window", "0"),
        ("policy.p.window", '"15"'),
        ("policy.p.warn_after", "15"),
        ("policy.p.delays", "[5]"),
        ("scheduler.sweep", "2.5"),
    ],
)
def test_duration_without_unit_says_which_units_exist(tmp_path: Path, key: str, value: str) -> None:
    """A number without a unit is never guessed at."""
    (line,) = complaints(tmp_path, f"{key} = {value}")
    assert "the units are ms, s, m, h, d and w" in line


@pytest.mark.parametrize("code", ['"4*"', '"55?"', '"552"', "552", '"[45]*"', '"*"'])
def test_reply_codes_are_globs(tmp_path: Path, code: str) -> None:
    """A reply code may be a number or a glob that fits one."""
    assert complaints(tmp_path, f"[[reply]]\nname = 'r'\ncode = {code}") == []


def test_zero_is_allowed_where_it_means_no_limit(tmp_path: Path) -> None:
    """A zero needs no unit where it stands for no limit."""
    text = "[policy.p]\nwarn_after = 0\nmax_attempts = 0\n[[lane]]\nrate = 0\nmessages_per_connection = 0"
    assert complaints(tmp_path, text) == []


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    """One run shows every fault, also those between keys, and names the file in each line."""
    path = tmp_path / "c.toml"
    path.write_text("[smtp]\nport = 0\nprot = 1\n[policy.p]\nwindow = 5\n[[assign]]\npolicy = 'q'\n")
    with pytest.raises(ConfigError) as refused:
        load(path, environ={"SOFTBOUNCE__FOO": "1"}, overrides={"dns": {"timeout": "1"}})
    lines = str(refused.value).splitlines()
    assert [line.partition(" = ")[0] for line in lines] == [
        "environment: SOFTBOUNCE__FOO",
        "command line: dns.timeout",
        f"{path}: smtp.port",
        f"{path}: smtp.prot",
        f"{path}: policy.p.window",
        f"{path}: assign[0].policy",
    ]


def test_secrets_and_controls_stay_out_of_errors(tmp_path: Path) -> None:
    """An error shows a URL without its password, long values cut, and no control character."""
    lines = complaints(
        tmp_path, '[store]\nurl = "redis://u:geheim@h/x"\n[smtp]\n"a\\u001b[2Jb" = "' + "x" * 200 + '"\n'
    )
    assert lines[0].startswith('store.url = "redis://u:***@h/x": ')
    assert all(line.isprintable() and len(line) < 300 for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        '[[assign]]\npolicy = ""\n[policy."\\u001f"]\nwindow = "1d"',
        '[policy."a\\u001f"]\nwindow = "1d"\n[policy."A\\u001f"]\nwindow = "1d"',
    ],
    ids=["a policy that is meant", "one that differs by case"],
)
def test_a_reason_that_quotes_an_odd_name_can_be_printed(tmp_path: Path, text: str) -> None:
    """A terminal must not obey what stands in a file."""
    file = tmp_path / "softbounce.toml"
    file.write_text(text)
    found = check_file(file, {})
    assert any("\\x1f" in line for line in found)
    assert all(line.isprintable() for line in found)
