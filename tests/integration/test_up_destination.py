"""A store's mail goes to the world or to a playground, and never to the other, whoever starts `up` on it how."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from conftest import StartStore
from reckon import copies_in, entries, send_each
from service import PlaygroundProcess, Service, run_cli

pytestmark = pytest.mark.usefixtures("store_binary")


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlaygroundProcess]:
    """What a real configuration delivers to, in these tests."""
    running = PlaygroundProcess(tmp_path_factory.mktemp("world"))
    yield running
    running.end()


@pytest.fixture
def service(world: PlaygroundProcess) -> Iterator[Service]:
    """A service on an embedded store, not started."""
    one = Service("", world)
    yield one
    one.clean()


def refusal(service: Service, *options: str) -> str:
    """What an `up` with these options says that ends with exit code 2 before it is ready."""
    done = run_cli("up", "--config", service.config, *options, folder=service.folder, seconds=20)
    assert (done.returncode, done.stdout.count(b"ready")) == (2, 0)
    return done.stderr.decode()


def test_a_playground_s_mail_does_not_reach_the_world(service: Service, world: PlaygroundProcess) -> None:
    """On a store that had a playground's mail a real `up` is refused, with the ways out; a playground is not."""
    service.start("--playground")
    (one,) = send_each(service, ["full@a.test"])
    service.stop()
    assert (
        f"the store at {service.url} is a playground's, and its mail must not reach the world: start with "
        "--playground, or give the service a store of its own ([store] data_dir, or url)"
    ) in refusal(service)
    assert "playground's" in refusal(service, "--roles", "store,worker")
    assert not entries(world)
    service.start("--playground")
    with service.client() as mail:
        assert mail.show(one).state in {"scheduled", "ready", "attempting"}
    assert service.stop() == 0


def test_mail_for_the_world_is_not_swallowed_by_a_playground(service: Service, world: PlaygroundProcess) -> None:
    """On a store that had real mail, ended mail too, `up --playground` is refused; a real one goes on."""
    service.start()
    service.wait_final(send_each(service, ["accept@a.test"]), 20)
    service.stop()
    assert (
        "has mail for the world, which a playground must not swallow: give the playground a store of its own "
        "([store] data_dir, or url)"
    ) in refusal(service, "--playground")
    service.start()
    service.wait_final(send_each(service, ["accept@b.test"]), 20)
    assert service.stop() == 0
    assert sorted(copies_in(entries(world))) == ["accept@a.test", "accept@b.test"]


@pytest.mark.thorough
def test_a_store_that_never_had_mail_may_change(service: Service) -> None:
    """Who began the wrong way, and sent nothing, begins the other way on the same store."""
    service.start("--playground")
    assert service.stop() == 0
    service.start()
    assert service.stop() == 0
    service.start("--playground")
    assert service.stop() == 0


def test_every_shard_counts_and_so_does_who_is_at_work(start_store: StartStore) -> None:
    """Mail in another shard than the first keeps a store as it is, and so does a live process on an empty one."""
    url = start_store(options=("--appendonly", "yes", "--appendfsync", "always")).url
    config = f'[store]\nurl = "{url}"\nshards = 4\n'
    one, other = Service(config), Service(config)
    try:
        one.start("--playground", "--roles", "worker")
        assert "is a playground's" in refusal(other, "--roles", "scheduler")
        assert one.stop() == 0
        other.start("--roles", "scheduler")
        assert other.stop() == 0
        with redis.Redis.from_url(url) as store:
            store.xadd("sb:{2}:events", {"b": b"\x90"})
        assert "has mail for the world" in refusal(one, "--playground", "--roles", "worker")
    finally:
        one.clean()
        other.clean()
