"""The keys of the configuration as the source has them: who reads each, and where its default is written.

Read from the text of the packages, since a key that nothing reads, or a default that is written twice, changes nothing
that a running program would show.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path

from softbounce_config.config import Config
from softbounce_config.fields import Section
from softbounce_config.process_settings import DialSettings, DkimSettings, RouteSettings, Timeouts, WebhookSettings
from softbounce_config.shape import Place, keys_of

from softbounce.road import Road, RouteRule
from softbounce.settings import (
    AssignRule,
    BrakeRule,
    GateRules,
    LaneRule,
    Notices,
    Policy,
    QuietRule,
    QuotaRule,
    ReplyRule,
    ReturnsRule,
    Settings,
    StreamRule,
    SuppressRules,
    TlsRule,
)

__all__ = ["DECLARED_IN", "Key", "Source", "defaults_of", "fields_of", "keys", "plain", "source"]

ROOT = Path(__file__).parents[1]
PACKAGES = ("softbounce", "config", "scheduler", "worker", "gateway")
DECLARED_IN = (
    "config/softbounce_config/sections.py",
    "config/softbounce_config/rules.py",
    "config/softbounce_config/brakes.py",
    "config/softbounce_config/dkim.py",
    "config/softbounce_config/routes.py",
    "config/softbounce_config/quotas.py",
    "config/softbounce_config/suppress.py",
    "config/softbounce_config/gate.py",
    "config/softbounce_config/health.py",
    "config/softbounce_config/webhooks.py",
    "config/softbounce_config/alerts.py",
    "config/softbounce_config/reports.py",
)

WHOLE: Mapping[str, type] = {
    "policy": Policy,
    "assign": AssignRule,
    "stream": StreamRule,
    "reply": ReplyRule,
    "lane": LaneRule,
    "tls": TlsRule,
    "brake": BrakeRule,
    "quota": QuotaRule,
    "quiet": QuietRule,
    "suppress": SuppressRules,
    "gate": GateRules,
    "returns": ReturnsRule,
    "notices": Notices,
    "timeouts": Timeouts,
    "dkim": DkimSettings,
    "webhook": WebhookSettings,
}
"""Tables that become a struct as a whole, field by field."""

RENAMED: Mapping[tuple[str, str], str] = {("quiet", "from"): "from_minute", ("quiet", "to"): "to_minute"}
"""Keys of these that the struct has in another unit."""

PARTS: Mapping[str, tuple[type, ...]] = {"route": (Road, RouteRule)}
"""Tables that become several."""

READ_AS: Mapping[str, str] = {"route": "section", "alert": "table"}
"""Tables whose keys the code reads of a value that is called otherwise."""

CALLED: Mapping[type, frozenset[str]] = {
    Settings: frozenset({"Settings", "settings", "_settings", "BUILT_IN"}),
    Policy: frozenset({"policy"}),
    AssignRule: frozenset({"rule"}),
    StreamRule: frozenset({"rule"}),
    ReplyRule: frozenset({"rule"}),
    LaneRule: frozenset({"LaneRule", "rule", "lane_rule_for"}),
    TlsRule: frozenset({"rule", "tls"}),
    BrakeRule: frozenset({"rule"}),
    QuotaRule: frozenset({"rule"}),
    QuietRule: frozenset({"rule"}),
    SuppressRules: frozenset({"rules", "_rules", "suppress"}),
    GateRules: frozenset({"gate", "GateRules"}),
    ReturnsRule: frozenset({"rule"}),
    Notices: frozenset({"notices"}),
    Timeouts: frozenset({"timeouts", "_timeouts"}),
    DialSettings: frozenset({"limits", "_limits"}),
    RouteSettings: frozenset({"settings"}),
    DkimSettings: frozenset({"told"}),
    WebhookSettings: frozenset({"told", "_told"}),
    Road: frozenset({"Road", "road", "_road"}),
    RouteRule: frozenset({"rule"}),
}
"""What the code calls a value of a struct that settings are handed over in; in its own methods by the struct's name."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that holds a value: ``smtp.port``, ``policy.window``."""

    table: str
    name: str
    section: type[Section]
    place: Place

    def __str__(self) -> str:
        return f"{self.table}.{self.name}"


def keys(section: type[Section] = Config, table: str = "") -> Iterator[Key]:
    """All of them."""
    for name, place in keys_of(section).items():
        if place.section is None:
            yield Key(table, name, section, place)
        else:
            yield from keys(place.section, name)


@dataclass(slots=True)
class Source:
    """What modules say.

    :ivar reads: of each attribute that is read, what it is read of: the last name before the dot.
    :ivar handed: keys, and the struct and field in which their values are handed over.
    :ivar passed: keys, and the names of the parameters for which their values are passed on.
    :ivar written: literal defaults of fields and parameters, by name: in which file, and the value.
    """

    reads: dict[str, set[str]] = field(default_factory=dict)
    handed: dict[tuple[str, str], tuple[type, str]] = field(default_factory=dict)
    passed: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    written: dict[str, list[tuple[str, object]]] = field(default_factory=dict)

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Source:
        """Read modules, by the names of their files."""
        made = cls()
        for file, text in texts.items():
            tree = ast.parse(text)
            for name, value in _defaults_in(tree):
                made.written.setdefault(name, []).append((file, value))
            if file not in DECLARED_IN:
                made._take(tree)
        return made

    def is_read(self, key: Key) -> bool:
        """Whether somebody acts by the value: of the configuration, or of the struct that it is handed over in."""
        struct, name = self.struct_of(key)
        called = {READ_AS.get(key.table, key.table)} if struct is None else CALLED[struct]
        return bool(called & self.reads.get(name, set()))

    def struct_of(self, key: Key) -> tuple[type | None, str]:
        """Where the value goes, and as which field; ``None``: it is read of the configuration itself."""
        if key.table in WHOLE:
            return WHOLE[key.table], RENAMED.get((key.table, key.name), key.name)
        if key.table in PARTS:
            return next((one for one in PARTS[key.table] if key.name in fields_of(one)), None), key.name
        return self.handed.get((key.table, key.name), (None, key.name))

    def writings(self, key: Key) -> list[str]:
        """The files in which the key's default stands as a literal, under any name that its value goes by."""
        names = {key.name, self.struct_of(key)[1], *self.passed.get((key.table, key.name), ())}
        default = plain(key.place.field.default if key.place.field else None)
        return [file for name in sorted(names) for file, value in self.written.get(name, ()) if value == default]

    def _take(self, tree: ast.AST) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                _name_self(node)
        on_their_way = {id(value) for node in ast.walk(tree) for value in self._take_call(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and id(node) not in on_their_way:
                self.reads.setdefault(node.attr, set()).add(_last_name(node.value))

    def _take_call(self, call: ast.AST) -> Iterator[ast.Attribute]:
        """Take what a call hands over; the reads that are nothing but that."""
        if not isinstance(call, ast.Call):
            return
        struct = next((one for one in CALLED if one.__name__ == _last_name(call.func)), None)
        for keyword in call.keywords:
            value = keyword.value
            if isinstance(value, ast.Call) and len(value.args) == 1:  # tuple(config.dns.nameservers)
                value = value.args[0]
            if keyword.arg and isinstance(value, ast.Attribute):
                key = _last_name(value.value), value.attr
                self.passed.setdefault(key, set()).add(keyword.arg)
                if struct:
                    self.handed[key] = (struct, keyword.arg)
                    yield value


@cache
def source() -> Source:
    """The packages."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return Source.of({str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths})


def fields_of(struct: type) -> tuple[str, ...]:
    """The fields of a struct of msgspec or a dataclass."""
    return tuple(getattr(struct, "__struct_fields__", None) or struct.__dataclass_fields__)  # type: ignore[attr-defined]


def defaults_of(text: str) -> dict[tuple[str, str], ast.expr]:
    """The expressions by which fields have their defaults, by class and field, in a module that declares keys."""
    found = {}
    for node in ast.walk(ast.parse(text)):
        for line in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(line, ast.AnnAssign) and isinstance(line.value, ast.Call):
                default = next((one.value for one in line.value.keywords if one.arg == "default"), None)
                if default is not None:
                    found[node.name, _last_name(line.target)] = default  # type: ignore[attr-defined]
    return found


def plain(value: object) -> object:
    """The value, a duration in seconds."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def _defaults_in(tree: ast.AST) -> Iterator[tuple[str, object]]:
    for node in ast.walk(tree):
        pairs: list[tuple[str, ast.expr | None]] = []
        if isinstance(node, ast.ClassDef):
            pairs = [(_last_name(one.target), one.value) for one in node.body if isinstance(one, ast.AnnAssign)]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            names = [one.arg for one in (*given.posonlyargs, *given.args)]
            pairs = [*zip(reversed(names), reversed(given.defaults), strict=False)]
            pairs += [(one.arg, value) for one, value in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
        for name, expression in pairs:
            value = _literal(expression)
            if value is not None:
                yield name, value


def _literal(expression: ast.expr | None) -> object:
    """The value of a number, a word, a duration or arithmetic, also within ``Field(default=...)``; else ``None``."""
    if isinstance(expression, ast.Call) and _last_name(expression.func) == "Field":
        expression = next((one.value for one in expression.keywords if one.arg == "default"), None)
    if expression is None:
        return None
    names = {one.id for one in ast.walk(expression) if isinstance(one, ast.Name)}
    if not names <= {"timedelta"} or any(isinstance(one, ast.Attribute) for one in ast.walk(expression)):
        return None
    return plain(eval(compile(ast.Expression(expression), "default", "eval"), {"timedelta": timedelta}))  # noqa: S307 - our own source


def _name_self(node: ast.ClassDef) -> None:
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and one.id == "self":
            one.id = node.name


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return _last_name(node.func) if isinstance(node, ast.Call) else ""
