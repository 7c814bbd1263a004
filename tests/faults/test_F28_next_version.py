"""F28: this version and the next at work on one store, in turn and at once; then the next one is taken back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest
from next_version import moons_of, next_version
from reckon import reckon, send_each
from service import PlaygroundProcess, Service, until

from softbounce.envelope import Record
from softbounce.ids import parse_id
from softbounce.store import reading
from softbounce.store.shards import Shards

ENVELOPES = 24
DOMAINS = 6
CONFIG = """
[worker]
lease = "2s"
drain = "5s"
[scheduler]
sweep = "500ms"
[policy.default]
window = "1h"
delays = ["30m"]
"""
THIS: dict[str, str] = {}


@pytest.fixture(scope="module")
def the_next(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of the next version."""
    return next_version(tmp_path_factory.mktemp("versions") / "next")


class House:
    """One store with its scheduler, and workers of either version beside it, each on a folder of its own."""

    def __init__(self, stack: ExitStack, playground: PlaygroundProcess, environ: dict[str, str]) -> None:
        self.main = Service(CONFIG, playground, environ=environ)
        stack.callback(self.main.clean)
        self.main.start("--roles", "store,scheduler")
        self._stack = stack
        self._services = [self.main]
        self._playground = playground

    def worker(self, environ: dict[str, str]) -> Service:
        """Start one."""
        beside = Service(f'{CONFIG}[store]\nurl = "{self.main.url}"\n', self._playground, environ=environ)
        self._stack.callback(beside.clean)
        self._services.append(beside)
        beside.start("--roles", "worker", "--workers", "1")
        return beside

    def records(self, ids: Sequence[str]) -> list[Record]:
        """The records as they are stored."""
        store = Shards(self.main.url)
        try:
            return [one for one in store.run(reading.fetch([parse_id(one) for one in ids])) if one is not None]
        finally:
            store.close()

    def wait_scheduled(self, ids: Sequence[str], tries: int) -> None:
        """Wait until all had so many attempts and rest again."""

        def rest() -> bool:
            return {(one.state.word, one.charged) for one in self.records(ids)} == {("scheduled", tries)}

        try:
            until(rest, 40, f"{tries} attempts of each", pause=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.records(ids)[0]}\n{self.logs()}") from None

    def logs(self) -> str:
        """The ends of all logs."""
        return "\n".join(one.log[-3000:] for one in self._services)

    def retry(self, ids: Sequence[str]) -> None:
        """Plan the next attempt of each for now."""
        with self.main.client() as mail:
            assert {mail.retry(one) for one in ids} == {"scheduled"}


@pytest.fixture(params=[pytest.param("this", marks=pytest.mark.thorough), "next"])
def house(
    request: pytest.FixtureRequest, playground: PlaygroundProcess, the_next: dict[str, str], store_binary: object
) -> Iterator[House]:
    """A store and a scheduler of this version, or of the next."""
    del store_binary
    with ExitStack() as stack:
        yield House(stack, playground, THIS if request.param == "this" else the_next)


def test_F28_mail_passes_from_version_to_version_and_the_next_is_taken_back(
    house: House, playground: PlaygroundProcess, the_next: dict[str, str]
) -> None:
    """Each envelope is delivered once, and still bears all that the next version wrote on it."""
    ids = send_each(house.main, [f"greylist4+{n}@d{n % DOMAINS}.test" for n in range(ENVELOPES)])
    for turn, environ in enumerate((the_next, THIS, the_next), 1):
        worker = house.worker(environ)
        house.wait_scheduled(ids, turn)
        assert worker.stop() == 0
        house.retry(ids)
    moons = [moons_of(one) for one in house.records(ids)]
    assert [one.attempts for one in moons] == [[True, False, True]] * ENVELOPES
    assert not [one for one in moons if one.changes < 2 or not one.is_flagged]
    both = [house.worker(the_next), house.worker(THIS)]
    house.wait_scheduled(ids, 4)
    new = send_each(house.main, [f"slow+{n}@d{n % DOMAINS}.test" for n in range(ENVELOPES)])
    until(lambda: any(one.state.word == "attempting" for one in house.records(new)), 10, "both are at work")
    both[0].kill()  # and whatever was in its hands is replayed from its journal, or swept
    both[0].environ = THIS
    assert house.main.stop() == 0
    house.main.environ = THIS
    house.main.start("--roles", "store,scheduler")
    both[0].start("--roles", "worker", "--workers", "1")
    house.retry(ids)
    reckon(playground, house.main.wait_final([*ids, *new], 60))
    for moons in map(moons_of, house.records(ids)):
        assert moons.attempts[:3] == [True, False, True]
        assert moons.changes >= 2
        assert moons.is_flagged
