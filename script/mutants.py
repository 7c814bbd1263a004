"""Mutation testing of the modules that decide: breaks one small thing at a time, and lists what no test notices.

    script/mutants                              every module, at most nine minutes
    script/mutants softbounce/decide.py         these
    script/mutants --sample 60 --seed 2         so many of each, drawn anew for each seed

One mutant is one comparison, constant, ``and``, ``not``, sum, returned value or statement that is another, or gone.
Each runs in a fork of its own, with the tests of :data:`TARGETS` for that module; one that fails, or takes too long,
has noticed. What is in :data:`EXPLAINED` is known to survive, and why. Ends with 1 where others do.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import signal
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import dns.resolver  # noqa: F401 - what tests import and no mutant touches is imported once, before the forks
import hypothesis
import msgspec  # noqa: F401
import pytest
import tenacity  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
EXPLAINED = Path(__file__).with_name("mutants.toml")
UNIT, PROPERTY = "tests/unit", "tests/property"
CLASSIFY = [f"{UNIT}/classify"]
DECIDE = [f"{UNIT}/test_decide.py", f"{UNIT}/test_waits.py", f"{UNIT}/test_parking.py"]
DECIDE += [f"{UNIT}/test_stated_and_greylist.py", f"{UNIT}/test_history.py", f"{UNIT}/test_plan.py"]
LANE = "worker/softbounce_worker/lane"
TROUBLE = [
    f"{UNIT}/worker/test_gate.py",
    f"{UNIT}/worker/test_trouble.py",
    f"{UNIT}/worker/test_sender_trouble.py",
    f"{PROPERTY}/test_trouble_machine.py",
]
TARGETS: dict[str, list[str]] = {
    **{
        f"softbounce/classify/{name}.py": CLASSIFY
        for name in (
            "choice",
            "grouping",
            "lines",
            "signs",
            "stated_wait",
            "troubles",
            "user_rules",
            "verdicts",
            "wording",
        )
    },
    "softbounce/decide.py": DECIDE,
    "softbounce/waits.py": DECIDE,
    "softbounce/parking.py": DECIDE,
    f"{LANE}/trouble.py": TROUBLE,
    f"{LANE}/gate.py": TROUBLE,
    f"{LANE}/evidence.py": [f"{UNIT}/worker/test_evidence.py"],
    f"{LANE}/denials.py": [f"{UNIT}/worker/test_denials.py"],
    "scheduler/softbounce_scheduler/stream_evidence.py": [f"{UNIT}/test_stream_evidence.py"],
}
"""A module, and the tests that have to notice."""
ARGUMENTS = ["-x", "-q", "-p", "no:cacheprovider", "--noconftest", "--assert=plain"]
"""Plain, for else pytest imports our packages in its own way, and no mutant is ever tried. What these tests do without
is not loaded: that takes five times as long as most of them."""
NOT_IMPORTED = 99
LIMIT = 20.0
"""Seconds beyond twice what the tests take without a mutant."""
OTHER: dict[type, type] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,  # codespell:ignore notin
    ast.NotIn: ast.In,  # codespell:ignore notin
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
}


class Mutant(NamedTuple):
    """One small thing that is another.

    :ivar name: its line's text and what becomes of it: what a later run knows it by.
    """

    line: int
    name: str
    tree: ast.Module


Change = Callable[[ast.AST], object]


def changes(node: ast.AST) -> Iterator[tuple[str, Change]]:  # noqa: C901 - one case for each kind
    """What can be made of a node: in words, and how it is done to a copy of it."""
    match node:
        case ast.Compare(ops=ops):
            for at, op in enumerate(ops):
                if other := OTHER.get(type(op)):
                    yield f"{type(op).__name__} -> {other.__name__}", _setter("ops", at, other)
        case ast.BoolOp(op=op) | ast.BinOp(op=op) | ast.AugAssign(op=op) if other := OTHER.get(type(op)):
            yield f"{type(op).__name__} -> {other.__name__}", lambda copied, other=other: setattr(copied, "op", other())
        case ast.Constant(value=bool() as value):
            yield f"{value} -> {not value}", lambda copied: setattr(copied, "value", not copied.value)  # type: ignore[attr-defined]
        case ast.Constant(value=int() | float() as number):
            yield f"{number} -> {number + 1}", lambda copied: setattr(copied, "value", copied.value + 1)  # type: ignore[attr-defined]
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "returns None", lambda copied: setattr(copied, "value", ast.Constant(None))
        case ast.UnaryOp(op=ast.Not()):
            yield "not -> ", lambda copied: setattr(copied, "op", ast.UAdd())
        case ast.Expr(value=ast.Call()):
            yield "removed", lambda copied: setattr(copied, "value", ast.Constant(None))
    if isinstance(node, ast.AugAssign):
        yield "adds nothing", lambda copied: setattr(copied, "value", ast.Constant(0))


def _setter(field: str, at: int, other: type) -> Change:
    def change(copied: ast.AST) -> None:
        getattr(copied, field)[at] = other()

    return change


def places(node: ast.AST) -> Iterator[ast.AST]:
    """What a mutant may be made of: no annotation, no text that people read, no line that is only logged."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_params"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr | ast.Raise) and not is_log(child):
                yield from places(child)


def is_log(node: ast.AST) -> bool:
    """Whether a statement only logs."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
        and isinstance(node.value.func.value, ast.Name)
        and node.value.func.value.id == "log"
    )


def mutants_of(path: Path) -> list[Mutant]:
    """All of a module, in their order."""
    text = path.read_text("utf-8")
    tree, lines = ast.parse(text), text.splitlines()
    found: list[Mutant] = []
    nodes = list(places(tree))
    for node in nodes:
        for words, change in changes(node):
            memo: dict[int, object] = {}
            copied = copy.deepcopy(tree, memo)
            change(memo[id(node)])  # type: ignore[arg-type]
            line = getattr(node, "lineno", 1)
            name = f"{lines[line - 1].strip()}  [{words}]"
            number = sum(one.name.partition(" #")[0] == name for one in found)
            found.append(Mutant(line, f"{name} #{number + 1}" if number else name, copied))
    return found


class Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a mutant in its module's place."""

    def __init__(self, path: Path, tree: ast.Module) -> None:
        self._path, self._tree = path, tree
        self.was_imported = False

    def find_spec(self, name: str, _path: object, _target: object = None) -> importlib.machinery.ModuleSpec | None:
        """Where the module is, if it is this one."""
        if not str(self._path).endswith(f"/{name.replace('.', '/')}.py"):
            return None
        return importlib.util.spec_from_file_location(name, self._path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutant."""
        self.was_imported = True
        exec(compile(ast.fix_missing_locations(self._tree), str(self._path), "exec"), module.__dict__)  # noqa: S102


def is_noticed(path: Path, tree: ast.Module | None, tests: list[str], seconds: float) -> bool:
    """Whether tests fail, in a fork; too long is a failure.

    :raises RuntimeError: they passed, and never imported the mutant.
    """
    child = os.fork()
    if child == 0:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        os.setpgid(0, 0)
        instead = None if tree is None else Instead(path, tree)
        if instead is not None:
            sys.meta_path.insert(0, instead)
        code = 1
        try:
            code = pytest.main([*ARGUMENTS, *tests])
            if code == 0 and instead is not None and not instead.was_imported:
                code = NOT_IMPORTED
        finally:
            os._exit(int(code))
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if os.waitstatus_to_exitcode(status) == NOT_IMPORTED:
                raise RuntimeError(f"{path.name}: its tests do not import what is tried")
            return status != 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="script/mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("module", nargs="*", help="only these")
    parser.add_argument("--sample", type=int, default=0, help="so many of each; 0: all")
    parser.add_argument("--seed", type=int, default=1, help="which ones are drawn")
    parser.add_argument("--minutes", type=float, default=9.0, help="end after so long, wherever it is")
    options = parser.parse_args()
    ends_at = time.monotonic() + options.minutes * 60
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    hypothesis.settings.register_profile("mutants", deadline=None, derandomize=True)
    hypothesis.settings.load_profile("mutants")
    explained = tomllib.loads(EXPLAINED.read_text("utf-8")) if EXPLAINED.exists() else {}
    survived = 0
    for name in options.module or TARGETS:
        path, tests = ROOT / name, TARGETS[name]
        began = time.monotonic()
        if is_noticed(path, None, tests, 300):
            print(f"{name}: its tests fail without any mutant")
            return 2
        limit = 2 * (time.monotonic() - began) + LIMIT
        mutants = mutants_of(path)
        if 0 < options.sample < len(mutants):
            mutants = random.Random(options.seed).sample(mutants, options.sample)  # noqa: S311 - draws mutants
        known = explained.get(name, {})
        tried = left = 0
        for mutant in mutants:
            if time.monotonic() > ends_at:
                break
            tried += 1
            if not is_noticed(path, mutant.tree, tests, limit) and mutant.name not in known:
                left += 1
                print(f"{name}:{mutant.line}: {mutant.name}", flush=True)
        survived += left
        print(f"{name}: {tried} of {len(mutants)} tried, {left} survived and are not explained", flush=True)
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main())
