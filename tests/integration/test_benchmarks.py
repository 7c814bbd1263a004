"""The benchmarks of what safety and many domains cost run, and measure what they say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from defences.catalogue import copy_tree

ROOT = Path(__file__).parents[2]
VARIANTS = ["as shipped", "marker off", "journal off", "both off"]
STORES = ["always", "everysec", "none", "always, TCP", "always, TCP, 1 replica", "always, TCP, 2 replicas"]
CALLERS = ["1 caller", "50 tasks", "50 threads", "`send_many` of 100"]
ENQUEUE = ["--quick", "--only", "enqueue", "--json"]
MARKING = "if not await self._session.outcomes.mark(transaction.accepted):"


@pytest.fixture
def own_tmp() -> Iterator[Path]:
    """A short folder for the benchmark's own."""
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        yield Path(folder)


def run(program: Path, own_tmp: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it; nothing of it is left afterwards."""
    environ = {**os.environ, "TMPDIR": str(own_tmp), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, str(program), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=240)
    finally:
        process.terminate()
    assert list(own_tmp.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


@pytest.mark.long
@pytest.mark.thorough
@pytest.mark.usefixtures("store_binary")
@pytest.mark.skipif(shutil.which("smtp-sink", path=f"{os.environ['PATH']}:/usr/sbin") is None, reason="no smtp-sink")
def test_what_marker_and_journal_cost_is_measured(own_tmp: Path) -> None:
    """Each variant delivers all of its mail, and is compared with what is shipped."""
    done = run(ROOT / "benchmarks" / "safety.py", own_tmp, "--quick", "--only", "drain", "--json")
    assert done.returncode == 0, done.stderr
    variants = json.loads(done.stdout)["drain"]["variants"]
    assert list(variants) == VARIANTS
    assert all(one["messages_per_second"] > 0 and one["cpu_ratio"]["median"] > 0 for one in variants.values())
    assert variants["as shipped"]["messages_per_second_ratio"] == {"median": 1.0, "low": 1.0, "high": 1.0}


@pytest.mark.thorough
@pytest.mark.usefixtures("store_binary")
def test_what_durability_costs_is_measured_and_written_down(own_tmp: Path) -> None:
    """Each store takes mail from each kind of callers, and the tables replace what stood between a page's marks."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.md"
        page.write_text("before\n<!-- safety: begin, and why -->\nold\n<!-- safety: end -->\nafter\n")
        done = run(ROOT / "benchmarks" / "safety.py", own_tmp, *ENQUEUE, "--write", str(page))
        written = page.read_text()
    assert done.returncode == 0, done.stderr
    stores = json.loads(done.stdout)["enqueue"]["stores"]
    assert [list(kinds) for kinds in stores.values()] == [CALLERS] * len(STORES)
    assert list(stores) == STORES
    rows = [row for kinds in stores.values() for row in kinds.values()]
    assert all(0 < row["p50_ms"] <= row["p99_ms"] and row["messages_per_second"] > 0 for row in rows)
    assert written.startswith("before\n<!-- safety: begin, and why -->\n")
    assert written.endswith("|\n<!-- safety: end -->\nafter\n")
    assert written.count("\n| ") == len(rows) + 1
    assert "old" not in written


def test_a_variant_that_no_longer_fits_the_code_is_not_measured(own_tmp: Path) -> None:
    """When the lines of the marker are not there as the list has them, the benchmark says so and measures nothing."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        copy_tree(ROOT, tree)
        shutil.copytree(ROOT / "benchmarks", tree / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
        sending = tree / "worker" / "softbounce_worker" / "session" / "sending.py"
        sending.write_text(sending.read_text().replace(MARKING, MARKING.replace("accepted", "works")))
        done = run(tree / "benchmarks" / "safety.py", own_tmp, "--quick", "--only", "drain", "--json")
    assert done.returncode == 1
    assert "stale: sending.py has the lines of 'the marker before the dot' 0 times" in done.stderr
    assert done.stdout == ""


@pytest.mark.long
@pytest.mark.thorough
@pytest.mark.usefixtures("store_binary")
@pytest.mark.skipif(shutil.which("smtp-sink", path=f"{os.environ['PATH']}:/usr/sbin") is None, reason="no smtp-sink")
def test_issue11_1_what_many_domains_cost_is_measured(own_tmp: Path) -> None:
    """One domain and several are measured in one run, every message is counted, and the one's ratios are 1."""
    options = ["--domains", "5", "--places", "256", "--messages", "1000", "--repeat", "1", "--json"]
    done = run(ROOT / "benchmarks" / "tail.py", own_tmp, *options)
    assert done.returncode == 0, done.stderr
    one, several = json.loads(done.stdout)["cases"]
    assert (one["domains"], one["pace"], one["cost"]) == (1, 1.0, 1.0)
    assert (several["domains"], several["closed"], several["rounds"][0]["delivered"]) == (5, 0, 1000)
    assert several["rounds"][0]["questions"] >= 10
    assert several["cpu_ms"] > 0
    assert several["megabytes"] > 0


def test_issue11_1_the_benchmarks_names_are_found() -> None:
    """The benchmark's DNS is one that a resolver can read: a host for each name, its address, and no IPv6."""
    sys.path.append(str(ROOT / "benchmarks"))
    from many_names import answer  # noqa: PLC0415 - the benchmarks are no package

    def ask(name: str, kind: str) -> dns.message.Message:
        return dns.message.from_wire(answer(dns.message.make_query(name, kind, use_edns=True).to_wire()))

    assert [str(one) for one in ask("D7.test", "MX").answer[0]] == ["10 mx.D7.test."]
    assert [str(one) for one in ask("mx.d7.test", "A").answer[0]] == ["127.0.0.1"]
    nothing = ask("mx.d7.test", "AAAA")
    assert (nothing.rcode(), nothing.answer, nothing.authority[0].rdtype) == (dns.rcode.NOERROR, [], dns.rdatatype.SOA)


@pytest.mark.usefixtures("store_binary")
def test_who_has_no_quota_pays_for_none(own_tmp: Path) -> None:
    """Mail that no quota fits costs the store what it does without quotas; any other not much more."""
    done = run(ROOT / "benchmarks/quotas.py", own_tmp, "--messages", "100", "--rounds", "18", "--json")
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["a quota of others"]["ratio"] < 1.2 < measured["messages, wait"]["ratio"]  # counting costs 1.4
    assert max(one["ratio"] for one in measured.values()) < 2.5
