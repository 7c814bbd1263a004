"""What is a store's URL is said once: nobody else reads one, or makes one by hand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("softbounce", "config", "scheduler", "worker", "gateway")
OWNERS = ("softbounce/store/address.py", "softbounce/store/masking.py")
READERS = {"urlsplit", "urlparse", "urlunsplit", "urlunparse", "from_url", "parse_url"}
GIVEN = {
    "config/softbounce_config/webhooks.py": {"urlsplit"},  # the receivers of webhooks
    "gateway/softbounce_gateway/webhooks/posting.py": {"urlsplit"},
    "gateway/softbounce_gateway/webhooks/shown.py": {"urlsplit"},  # and these without their secrets
    "gateway/softbounce_gateway/http/admission.py": {"urlsplit"},  # the Origin that a browser names
    "softbounce/classify/wording.py": {"://"},  # links in what hosts say
    "softbounce/jobs.py": {"from_url", "parse_url"},  # redis-py's own clients for dramatiq, of a StoreAddress
    "softbounce/store/async_shards.py": {"from_url"},
    "softbounce/store/shards.py": {"from_url"},
}
"""Who hands URLs to redis-py, as a StoreAddress made them; and whose URLs are no store's."""


def by_hand(text: str, given: set[str]) -> Iterator[str]:
    """Where a module takes a URL apart or puts one together; texts about URLs are none of that."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            if name in READERS - given:
                yield f"{node.lineno}: {name}"
        elif isinstance(node, ast.JoinedStr) and any(is_url(part) for part in node.values):
            yield f"{node.lineno}: makes one"
        elif isinstance(node, ast.Call | ast.Compare | ast.BinOp):
            parts = [*node.args, node.func] if isinstance(node, ast.Call) else list(ast.iter_child_nodes(node))
            if any(is_scheme(part) and part.value not in given for part in parts):  # type: ignore[attr-defined]
                yield f"{node.lineno}: looks at a scheme"


def is_url(node: ast.AST) -> bool:
    """Whether it is a text that begins with a scheme."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and is_head(node.value)


def is_head(text: str) -> bool:
    """The same of a text."""
    return text.partition("://")[0] in {"redis", "rediss", "unix", "redis+cluster", "redis+sentinel"} and "://" in text


def is_scheme(node: ast.AST) -> bool:
    """Whether it is the beginning of a URL and nothing more."""
    return isinstance(node, ast.Constant) and node.value in {
        "redis://",
        "rediss://",
        "unix://",
        "unix:",
        "redis:",
        "://",
    }


def test_nobody_else_reads_or_makes_a_store_s_url() -> None:
    """In all packages; who needs a part of one, or another, asks a StoreAddress."""
    found = {}
    for path in (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))):
        file = str(path.relative_to(ROOT))
        if file not in OWNERS and (lines := [*by_hand(path.read_text(encoding="utf-8"), GIVEN.get(file, set()))]):
            found[file] = lines
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        "parts = urlsplit(url)",
        "url = f'unix://{path}'",
        "is_socket = url.startswith('unix:')",
        "scheme, _, rest = url.partition('://')",
        "client = redis.Redis.from_url(url)",
        "url = 'redis://' + host",
    ],
)
def test_what_is_done_by_hand_is_found(line: str) -> None:
    """The test above would fail."""
    assert list(by_hand(line, set()))
