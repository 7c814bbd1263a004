from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from softbounce_config import Config, check_file, find_file, load
from softbounce_config.presets import presets

from softbounce.errors import ConfigError
from softbounce.settings import BUILT_IN, LaneRule, Policy, ReplyRule

EXAMPLE = Path(__file__).parents[3] / "examples" / "softbounce.toml"

WHOLE = """\
[store]
url = "redis://localhost:6379/0"
data_dir = "mail"
durability = "everysec"
shards = 16
keep_finished = "1d"
keep_finished_max = "1GiB"
keep_keys = "8d"
keep_events = "2d"
keep_events_max = 5000
[jobs]
url = "redis://localhost:6380/0"
[identity]
hostname = "mail.example.com"
[worker]
processes = 4
sessions = 500
drain = 0
lease = "3s"
[scheduler]
sweep = "1s"
hold_pauses_window = false
[dns]
nameservers = ["127.0.0.1:5300"]
timeout = "2s"
[smtp]
port = 2525
allow_private_addresses = true
max_message = "1MiB"
timeouts.connect = "1s"
timeouts.end_of_data = "2m"
[gateway]
http = ""
submission = "127.0.0.1:2526"
[classify]
disabled_rules = ["builtin:greylist-5xx"]
[policy.otp]
window = "15m"
delays = ["10s", "30s"]
jitter = 0
[[assign]]
stream = "otp*"
policy = "otp"
[[reply]]
name = "orange-full"
code = 552
enhanced = "5.1.1"
site = "orange.fr"
stage = "rcpt"
text = "pleine"
retry = true
reason = "mailbox_full"
fault = "recipient"
suppress = false
delays = ["1h", "4h"]
window = "2d"
[[lane]]
site = "google.com"
connections = 10
rate = "600/m"
messages_per_connection = 0
close_first = "10s"
close_factor = 2
close_cap = "1m"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    """Write a config file into *folder*."""
    path = folder / "softbounce.toml"
    path.write_text(text)
    return path


def test_without_any_file_all_is_built_in(folder: Path) -> None:
    """Without a file the published settings are those that a client without a store would use."""
    config = load(None, environ={})
    assert config.settings() == msgspec.structs.replace(BUILT_IN, lane=presets())
    assert config.store_url == f"unix://{folder}/var/store.sock"


def test_file_of_the_working_directory_is_read(folder: Path) -> None:
    """``./softbounce.toml`` is read when there is one and no other is named."""
    assert find_file(None) is None
    write(folder, "[smtp]\nport = 2525\n")
    assert find_file(None) == Path("softbounce.toml")
    assert load(None, environ={}).smtp.port == 2525


def test_every_key_of_a_file_arrives(folder: Path) -> None:
    """What the file says is what the configuration and the published settings hold."""
    config = load(write(folder, WHOLE), environ={})
    assert (config.store_url, config.jobs.url) == ("redis://localhost:6379/0", "redis://localhost:6380/0")
    assert config.data_dir == folder / "mail"
    assert config.worker.drain == timedelta(0)
    assert config.dns.servers == (("127.0.0.1", 5300),)
    assert config.smtp.timeouts.connect == timedelta(seconds=1)
    assert config.smtp.timeouts.mail == timedelta(minutes=5)
    settings = config.settings()
    assert settings.policies == {
        "default": Policy(name="default"),
        "otp": Policy(
            name="otp",
            window=timedelta(minutes=15),
            delays=(timedelta(seconds=10), timedelta(seconds=30)),
            jitter=0.0,
        ),
    }
    assert settings.policy_for(stream="otp-de", domain="d", site=None, sender="s").name == "otp"
    assert settings.reply == (
        ReplyRule(
            name="orange-full",
            code="552",
            enhanced="5.1.1",
            site="orange.fr",
            stage="rcpt",
            text="pleine",
            retry=True,
            reason="mailbox_full",
            fault="recipient",
            suppress=False,
            delays=(timedelta(hours=1), timedelta(hours=4)),
            window=timedelta(days=2),
        ),
    )
    assert settings.lane == (
        LaneRule(
            site="google.com",
            connections=10,
            rate=10.0,
            messages_per_connection=0,
            close_first=timedelta(seconds=10),
            close_factor=2.0,
            close_cap=timedelta(minutes=1),
            source="lane[0]",
        ),
        *presets(),
    )
    assert settings.disabled_rules == ("builtin:greylist-5xx",)
    assert (settings.hold_pauses_window, settings.max_message_octets) == (False, 1 << 20)
    assert (settings.keep_finished, settings.keep_finished_max_octets) == (timedelta(days=1), 1 << 30)
    assert (settings.keep_keys, settings.keep_events, settings.keep_events_max) == (
        timedelta(days=8),
        timedelta(days=2),
        5000,
    )


def test_T01_each_stage_has_its_own_timeout_of_rfc_5321() -> None:
    """From the greeting to the final dot the defaults are the minimums of RFC 5321 §4.5.3.2."""
    timeouts = Config().smtp.timeouts
    minimums = {"greeting": 5, "mail": 5, "rcpt": 5, "data": 2, "block": 3, "end_of_data": 10}
    assert {stage: getattr(timeouts, stage) for stage in minimums} == {
        stage: timedelta(minutes=minutes) for stage, minutes in minimums.items()
    }


def test_R03_default_window_is_five_days() -> None:
    """By default mail is given up not before the 4 to 5 days of RFC 5321 §4.5.4.1."""
    assert Config().settings().policies["default"].window == timedelta(days=5)


def test_relative_data_dir_is_relative_to_the_file(folder: Path) -> None:
    """A relative data folder starts at the config file, not at the working directory."""
    (folder / "etc").mkdir()
    write(folder / "etc", "")
    named = load(Path("etc/softbounce.toml"), environ={"SOFTBOUNCE__STORE__DATA_DIR": "../data"})
    assert named.store_url == f"unix://{folder}/etc/../data/store.sock"
    assert load(Path("etc/softbounce.toml"), environ={}).data_dir == folder / "etc" / "var"
    assert load(None, environ={"SOFTBOUNCE__STORE__DATA_DIR": "/srv/mail"}).data_dir == Path("/srv/mail")


def test_later_sources_win(folder: Path) -> None:
    """The environment overrides the file key by key, and the command line both; ``None`` there is not given."""
    config = load(
        write(folder, '[smtp]\nport = 1\nmax_message = "1MiB"\n[dns]\ntimeout = "1s"\n'),
        environ={"SOFTBOUNCE__SMTP__PORT": "2", "SOFTBOUNCE__DNS__TIMEOUT": "2s"},
        overrides={"smtp": {"port": 3, "timeouts": {"connect": timedelta(seconds=7)}}, "dns": {"timeout": None}},
    )
    assert (config.smtp.port, config.smtp.max_message) == (3, 1 << 20)
    assert config.smtp.timeouts.connect == timedelta(seconds=7)
    assert config.dns.timeout == timedelta(seconds=2)


def test_example_can_be_used() -> None:
    """The example file is a correct one."""
    assert check_file(EXAMPLE, {}) == []


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"[smtp\n", "is not TOML: .*line 1"),
        (b"a = 1\na = 2\n", "is not TOML"),
        (b"[smtp]\nport = \xff\n", r"is not UTF-8 text \(octet 14\)"),
        (None, "cannot be read: No such file"),
    ],
)
def test_unreadable_file_is_named(folder: Path, octets: bytes | None, reason: str) -> None:
    """A file that cannot be read at all is one error that names it."""
    path = folder / "named.toml"
    if octets is not None:
        path.write_bytes(octets)
    with pytest.raises(ConfigError, match=rf"named\.toml: {reason}"):
        load(path, environ={})


def test_configuration_is_frozen() -> None:
    """Nobody changes a setting behind another's back."""
    config = Config()
    with pytest.raises(ValueError, match="frozen"):
        setattr(config.smtp, "port", 26)  # noqa: B010  # as a type checker would not let one


def test_issue10_28_without_a_file_softbounce_url_says_where_the_store_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--config`, else ./softbounce.toml, else SOFTBOUNCE_URL, else ./var; the key's own variable goes first."""
    monkeypatch.chdir(tmp_path)
    environ = {"SOFTBOUNCE_URL": "redis://of-the-apps"}
    assert load(None, environ=environ).store_url == "redis://of-the-apps"
    assert load(None, environ={"SOFTBOUNCE_URL": ""}).is_embedded
    assert load(None, environ=environ | {"SOFTBOUNCE__STORE__URL": "redis://key"}).store_url == "redis://key"
    named = tmp_path / "named.toml"
    named.write_text("")
    assert load(named, environ=environ).is_embedded
    (tmp_path / "softbounce.toml").write_text('[store]\nurl = "redis://of-the-file"')
    assert load(None, environ=environ).store_url == "redis://of-the-file"


def test_issue10_28_the_way_to_one_s_own_embedded_store_names_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who exported the variable for apps can start the service in the same shell."""
    monkeypatch.chdir(tmp_path)
    url = f"unix://{tmp_path}/var/store.sock"
    assert load(None, environ={"SOFTBOUNCE_URL": url}).is_embedded
    assert load(None, environ={"SOFTBOUNCE_URL": f"unix://{tmp_path}/other/store.sock"}).store_url.endswith(
        "/other/store.sock"
    )
    elsewhere = {"SOFTBOUNCE_URL": url, "SOFTBOUNCE__STORE__DATA_DIR": "other"}
    assert load(None, environ=elsewhere).store_url == url


def test_issue11_another_database_of_one_s_own_store_is_another_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mail that an app hands over in database 1 is not looked for in 0; and 0 is the embedded store's, also by name."""
    monkeypatch.chdir(tmp_path)
    url = f"unix://{tmp_path}/var/store.sock"
    assert load(None, environ={"SOFTBOUNCE_URL": f"{url}?db=0"}).is_embedded
    assert load(None, environ={"SOFTBOUNCE_URL": f"{url}?db=1"}).store_url == f"{url}?db=1"


def test_issue10_28_a_wrong_url_in_it_is_told_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And without the password."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="environment: SOFTBOUNCE_URL") as refused:
        load(None, environ={"SOFTBOUNCE_URL": "redis://:pa?s3cret@host"})
    assert "s3cret" not in str(refused.value)
