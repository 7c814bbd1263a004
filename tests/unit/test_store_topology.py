"""Where the shards are: what nodes and sentinels say of it, and what is made of their answers."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ResponseError

from softbounce.errors import StoreUnavailable, StoreUncertain
from softbounce.store.address import SOLE, Node, StoreAddress
from softbounce.store.call import Call
from softbounce.store.call_progress import CallProgress, NodeBatch
from softbounce.store.connections import Link
from softbounce.store.scripts import script
from softbounce.store.topology import APART_MS, NodeFacts, Topology, read_facts

A, B, C, D, E = (Node(f"10.0.0.{number}", 7000 + number) for number in range(1, 6))
SLOT_0 = 13907  # of sb:{0}:
MARK, READ = Call(0, script("mark"), (b"k",), ()), Call.read(0, b"GET", b"sb:{0}:x")


def entry(first: int, last: int, node: Node, *replicas: Node) -> list[Any]:
    """One range of ``CLUSTER SLOTS``."""
    return [first, last, *([one.host.encode(), one.port, b"id", []] for one in (node, *replicas))]


def cluster(*ranges: list[Any]) -> Topology:
    """The topology of a cluster that said this."""
    topology = Topology(StoreAddress.parse("redis+cluster://10.0.0.1:7001,10.0.0.2:7002"))
    assert topology.learn(A, [list(ranges)])
    return topology


def refused(code: str, text: str) -> ResponseError:
    """An error reply as the library reads it."""
    return ResponseError(text, status_code=code)


# -- the map --------------------------------------------------------------------------------------------------------


def test_a_server_has_everything() -> None:
    """Nobody is asked, whatever goes wrong."""
    topology = Topology(StoreAddress.parse("redis://h"))
    topology.doubt()
    assert not topology.is_doubted
    assert topology.node(0) == topology.node(255) == SOLE
    assert topology.replicas(SOLE) == 0


def test_a_cluster_says_where_its_slots_are() -> None:
    """By range, with the replicas of each; it is asked before anything else."""
    assert Topology(StoreAddress.parse("redis+cluster://h")).is_doubted
    topology = cluster(entry(0, SLOT_0 - 1, A), entry(SLOT_0, 16383, B, C))
    assert not topology.is_doubted
    assert topology.node(0) == B
    assert topology.node_of_channel(b"sb:{0}:wake") == B
    assert (topology.replicas(A), topology.replicas(B)) == (0, 1)
    assert topology.nodes() == [B]


def test_a_shard_that_nobody_has() -> None:
    """Is nowhere, until the next answer."""
    topology = cluster(entry(0, 100, A))
    assert topology.node(0) is None
    topology.learn(A, [[entry(0, 16383, A)]])
    assert topology.node(0) == A


def test_a_node_without_an_address_is_the_one_that_was_asked() -> None:
    """It does not know its own host, or listens on a unix socket only."""
    topology = Topology(StoreAddress.parse("redis+cluster://h:7001"))
    topology.learn(Node("h", 7001), [[[0, 9000, [b"", 7001, b"id"]], [9001, 16383, [None, 0, b"id"]]]])
    assert topology.node_of_channel(b"sb:{0}:") == topology.node_of_channel(b"sb:{1}:") == Node("h", 7001)


def test_issue10_a_node_of_an_unknown_name_is_the_one_that_was_asked() -> None:
    """``?`` is what a cluster that is to tell names says of a node that was given none."""
    topology = Topology(StoreAddress.parse("redis+cluster://h:7001"))
    topology.learn(Node("h", 7001), [[[0, 16383, [b"?", 7002, b"id"]]]])
    assert topology.node(0) == Node("h", 7002)
    progress = CallProgress([READ], topology)
    (batch,) = progress.batches()
    batch.take([refused("ASK", f"{SLOT_0} ?:7003")])
    (batch,) = progress.batches()
    assert batch.node == Node("h", 7003)


@pytest.mark.parametrize(
    "answer", [refused("ERR", "This instance has cluster support disabled"), [], None, [[1]], b"what"], ids=str
)
def test_what_tells_nothing(answer: object) -> None:
    """The old map stays, and is still doubted; why is kept for people."""
    topology = cluster(entry(0, 16383, A))
    topology.doubt()
    assert not topology.learn(B, [answer])
    assert topology.is_doubted
    assert topology.trouble
    assert topology.node(0) == A


def test_each_asking_begins_with_another_source() -> None:
    """One that is behind does not lead us astray for ever; the target of a redirection is asked first."""
    topology = cluster(entry(0, 16383, C))
    firsts = {topology.sources()[0] for _ in range(3)}
    assert firsts == {A, B, C}
    other = Node("10.0.0.9", 1)
    topology.meet_redirection(other)
    assert topology.sources()[0] == other
    assert other not in topology.sources()


def test_a_server_that_redirects_is_a_clusters_node() -> None:
    """A plain URL is enough then: it is asked where the shards are."""
    topology = Topology(StoreAddress.parse("redis://h:7001"))
    topology.meet_redirection(B)
    assert topology.is_doubted
    assert topology.sources() == [B, SOLE]
    assert topology.questions() == [(b"CLUSTER", b"SLOTS")]
    topology.learn(B, [[entry(0, 16383, B)]])
    assert topology.node(0) == B


def sentinel_row(
    replica: Node, flags: bytes = b"slave", link: bytes = b"ok", apart: float = APART_MS / 1000 + 1
) -> list[bytes]:
    """A replica as a sentinel tells of it; seconds for which its link has been down, where it is not ok."""
    where = [b"ip", replica.host.encode(), b"port", str(replica.port).encode()]
    down = [b"master-link-down-time", str(0 if link == b"ok" else round(apart * 1000)).encode()]
    return [b"name", b"r", *where, b"flags", flags, *down, b"master-link-status", link]


def told_by_sentinel(primary: Node, *rows: list[bytes]) -> list[Any]:
    """What it answers."""
    return [[primary.host.encode(), str(primary.port).encode()], list(rows)]


def test_sentinels_say_who_is_the_primary() -> None:
    """And how many of its replicas are well."""
    topology = Topology(StoreAddress.parse("redis+sentinel://s:1,t:2/mail"))
    assert topology.sources() == [Node("s", 1), Node("t", 2)]
    assert not topology.learn(Node("s", 1), [None, []])
    down, behind = sentinel_row(D, b"s_down,slave"), sentinel_row(E, link=b"err")
    assert topology.learn(Node("t", 2), told_by_sentinel(B, sentinel_row(A), down, behind, sentinel_row(C)))
    assert topology.node(7) == B
    assert topology.replicas(B) == 2


def test_F18_a_replica_that_just_lost_its_primary_counts() -> None:
    """It may be promoted before others are known to have more; one that never had a primary has nothing to lose."""
    topology = Topology(StoreAddress.parse("redis+sentinel://s:1/mail"))
    for apart, counted in ((0.0, 1), (5.0, 1), (APART_MS / 1000 + 1, 0), (-1.0, 0)):
        topology.learn(Node("s", 1), told_by_sentinel(A, sentinel_row(B, link=b"err", apart=apart)))
        assert topology.replicas(A) == counted


def test_F18_after_a_switch_replicas_count_that_have_not_turned_to_the_new_primary_yet() -> None:
    """One that was well and lives may be promoted next; not for ever, nor when it is down, nor who never was well."""
    now = 100.0
    topology = Topology(StoreAddress.parse("redis+sentinel://s:1/mail"), lambda: now)
    source = Node("s", 1)
    topology.learn(source, told_by_sentinel(A, sentinel_row(B), sentinel_row(C), sentinel_row(D, link=b"err")))
    dead = told_by_sentinel(A, sentinel_row(B, link=b"err"), sentinel_row(C, link=b"err"))
    topology.learn(source, dead)  # the primary is gone, and nobody follows it
    assert topology.replicas(A) == 0
    waits = told_by_sentinel(B, sentinel_row(A), sentinel_row(C, link=b"err"), sentinel_row(D, link=b"err"))
    waits[1][0] = sentinel_row(A, b"s_down,slave", b"err")  # it was killed
    for _ in range(2):
        topology.learn(source, waits)
        assert topology.node(0) == B
        assert topology.replicas(B) == 1  # C
    topology.learn(source, told_by_sentinel(B, sentinel_row(C, b"s_down,slave", b"err")))
    assert topology.replicas(B) == 0
    topology.learn(source, told_by_sentinel(B, sentinel_row(C)))
    topology.learn(source, told_by_sentinel(C, sentinel_row(B, link=b"err")))
    assert topology.replicas(C) == 1  # B, which was the primary until now
    now += 60
    topology.learn(source, told_by_sentinel(C, sentinel_row(B, link=b"err")))
    assert topology.replicas(C) == 0


def test_F18_right_after_a_switch_a_replica_that_nobody_has_asked_yet_counts() -> None:
    """Its sentinel connects anew, and calls all disconnected; a primary that is gone is not waited for."""
    now = 100.0
    topology = Topology(StoreAddress.parse("redis+sentinel://s:1/mail"), lambda: now)
    source = Node("s", 1)
    topology.learn(source, told_by_sentinel(A, sentinel_row(B), sentinel_row(C), sentinel_row(D, link=b"err")))
    assert not topology.is_turning
    apart = [sentinel_row(one, b"slave,disconnected", b"err") for one in (A, C, D)]
    topology.learn(source, told_by_sentinel(B, *apart))
    assert topology.is_turning
    assert topology.replicas(B) == 1  # C
    topology.learn(source, told_by_sentinel(C, sentinel_row(A), sentinel_row(B, link=b"err")))
    assert topology.replicas(C) == 2  # both were the primary within a moment
    now += 60
    assert not topology.is_turning
    topology.learn(source, told_by_sentinel(C, *apart))
    assert topology.replicas(C) == 1  # A, which followed, until it is called down
    topology.learn(source, told_by_sentinel(C, sentinel_row(A, b"s_down,slave,disconnected", b"err"), *apart[1:]))
    assert topology.replicas(C) == 0


def test_F18_a_replica_that_an_operator_just_promoted_counts_before_anyone_says_so() -> None:
    """That ends all its connections: sentinels call it disconnected, while the old primary and the other one go on."""
    now = 100.0
    topology = Topology(StoreAddress.parse("redis+sentinel://s:1/mail"), lambda: now)
    source = Node("s", 1)
    promoted = sentinel_row(B, b"slave,disconnected")
    topology.learn(source, told_by_sentinel(A, promoted, sentinel_row(C)))
    assert topology.replicas(A) == 2  # who begins just now knows no better
    topology.learn(source, told_by_sentinel(A, sentinel_row(B), sentinel_row(C)))
    now += 60
    for _ in range(2):
        topology.learn(source, told_by_sentinel(A, promoted, sentinel_row(C)))
        assert topology.replicas(A) == 2
        assert topology.may_change
    topology.learn(source, told_by_sentinel(A, sentinel_row(B, b"s_down,slave,disconnected"), sentinel_row(C)))
    assert topology.replicas(A) == 1


def test_F18_while_a_replica_is_missing_it_is_looked_for_often() -> None:
    """It may be back and promoted within seconds; who has just begun to ask does not know what happened before."""
    now = 100.0
    topology = Topology(StoreAddress.parse("redis+sentinel://s:1/mail"), lambda: now)
    link = Link(A, None)
    source = Node("s", 1)
    topology.learn(source, told_by_sentinel(A, sentinel_row(B), sentinel_row(C)))

    def is_due(seconds: float) -> bool:
        """Whether it is asked again after so long."""
        link.asked_at = now - seconds
        return link.is_due(now, topology)

    assert is_due(0.5)  # there was a switch before we began, perhaps
    now += 60
    assert not is_due(0.5)
    assert is_due(6)
    for missing in (sentinel_row(C, b"s_down,slave", b"err"), sentinel_row(C, b"slave,disconnected", b"err")):
        topology.learn(source, told_by_sentinel(A, sentinel_row(B), missing))
        assert topology.replicas(A) == 1
        assert is_due(0.5)
    topology.learn(source, told_by_sentinel(A, sentinel_row(B), sentinel_row(C)))
    assert not is_due(0.5)


def test_what_a_server_says_of_itself() -> None:
    """Only replicas that follow count."""
    info = b"# Server\r\nrun_id:abc\r\nrole:master\r\nslave0:ip=a,state=online\r\nslave1:ip=b,state=wait_bgsave\r\n"
    assert read_facts(info) == NodeFacts(b"abc", is_replica=False, replicas=1)
    assert read_facts(b"role:slave\r\n").is_replica
    assert read_facts(refused("NOPERM", "no")) == NodeFacts()


# -- progress to it --------------------------------------------------------------------------------------------------


def batch_to(node: Node, progress: CallProgress) -> NodeBatch:
    """The one batch that goes to a node."""
    (found,) = (one for one in progress.batches() if one.node == node)
    return found


def test_a_moved_call_waits_for_a_new_map() -> None:
    """It did not run; the topology is asked for, and it goes to the new place."""
    topology = cluster(entry(0, 16383, A))
    progress = CallProgress([MARK], topology)
    batch_to(A, progress).take([refused("MOVED", f"{SLOT_0} 10.0.0.2:7002")])
    assert topology.is_doubted
    topology.learn(B, [[entry(0, 16383, B)]])
    batch_to(B, progress).take([[1]])
    assert progress.answers == [[1]]


def test_an_asked_call_goes_elsewhere_once() -> None:
    """With ASKING before it, and without a new map."""
    topology = cluster(entry(0, 16383, A))
    progress = CallProgress([READ, READ], topology)
    batch_to(A, progress).take([b"here", refused("ASK", f"{SLOT_0} 10.0.0.2:7002")])
    batch = batch_to(B, progress)
    assert batch.commands() == [(b"ASKING",), READ.command()]
    batch.take([b"OK", b"there"])
    assert progress.answers == [b"here", b"there"]
    assert not topology.is_doubted


def test_calls_without_a_node_are_unavailable() -> None:
    """Nothing was sent anywhere."""
    topology = cluster(entry(0, 100, A))
    progress = CallProgress([READ], topology)
    assert progress.batches() == []
    assert topology.is_doubted
    assert isinstance(progress.refused, StoreUnavailable)


@pytest.mark.parametrize(
    ("guard", "is_kept"),
    [
        ([b"OK", 2], True),
        ([b"OK", 1], False),
        ([refused("MOVED", "1 a:1"), 2], False),
        ([b"OK", refused("UNBLOCKED", "instance state changed")], False),
    ],
    ids=["two", "one", "no-fence", "demoted"],
)
def test_what_too_few_replicas_have_is_uncertain(guard: list[object], *, is_kept: bool) -> None:
    """A read counts at once, a mark only when every replica that is needed has it."""
    progress = CallProgress([MARK, READ], cluster(entry(0, 16383, A, B, C)))
    batch = batch_to(A, progress)
    assert [command[0] for command in batch.guard(2)] == [b"EVAL", b"WAIT"]
    assert batch.take([[1], b"read", *guard]) is is_kept
    assert progress.answers[1] == b"read"
    assert isinstance(progress.answers[0], StoreUncertain) is not is_kept


def test_reads_alone_wait_for_nobody() -> None:
    """There is nothing that a failover could lose."""
    assert batch_to(A, CallProgress([READ], cluster(entry(0, 16383, A, B)))).guard(1) == []


def test_lost_before_the_replicas_answered() -> None:
    """The mark was answered, and that a replica has it was not: uncertain."""
    progress = CallProgress([MARK], cluster(entry(0, 16383, A, B)))
    batch = batch_to(A, progress)
    batch.guard(1)
    batch.lose([[1], b"OK"], EOFError("gone"))
    assert isinstance(progress.answers[0], StoreUncertain)
