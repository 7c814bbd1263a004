"""The OpenAPI document is true: schemathesis makes thousands of calls of it, and each answer is one that it allows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema_rs
import pytest
from calling import MESSAGES, calling, part
from service import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import StartService

CONFIG = Path(__file__).with_name("schemathesis.toml")
DOCUMENT = "/api/v1/openapi.json"
STREAM = "/api/v1/events/stream"
"""It never ends: test_http_reading.py reads it."""


@pytest.fixture
def whole(start: StartService, port: int) -> Iterator[httpx.Client]:
    """A whole service that has delivered, deferred and refused already."""
    start(f'[gateway]\nhttp = "127.0.0.1:{port}"\n[worker]\nprocesses = 1\n')
    with calling(port) as http:
        yield http


def schemathesis(tmp_path: Path, url: str, *options: str) -> str:
    """Run it to its end; what it said."""
    done = subprocess.run(  # noqa: S603 - a tool of ours
        [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", url, "--no-color", *options],
        capture_output=True, timeout=300, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CONFIG.parent)},
    )  # fmt: skip
    said = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == 0, re.sub(r"(.{2000}).*", r"\1", said)[-20_000:]
    return said


@pytest.mark.long
@pytest.mark.parametrize("each", [6, pytest.param(40, marks=pytest.mark.thorough)])
def test_issue14_schemathesis_finds_no_answer_that_the_document_does_not_allow(
    whole: httpx.Client, tmp_path: Path, each: int
) -> None:
    """Over all calls but the endless one: no fault of ours, and status, type, header and shape as they are told.

    What is asked of one envelope is asked again of one that there is, which was tried and deferred.
    """
    sent = whole.post(f"{MESSAGES}/batch", json=[part(to=["accept-1@a.test"]), part(to=["defer-1@b.test"])])
    ids = [next(iter(one["envelopes"].values())) for one in sent.json()]
    until(lambda: all(whole.get(f"/api/v1/envelopes/{one}").json()["attempts"] for one in ids), 30, "both were tried")
    url = f"{whole.base_url}{DOCUMENT}".replace("//api", "/api")
    said = schemathesis(tmp_path, url, "--exclude-path", STREAM, "-n", str(each))
    left_out = {STREAM, DOCUMENT}  # schemathesis reads the document, and never asks for it as for others
    calls = sum(len(of) for path, of in whole.get(DOCUMENT).json()["paths"].items() if path not in left_out)
    for phase in ("Coverage", "Fuzzing"):
        asked = re.search(rf"{phase} .*\n\s*\S+ ([0-9]+) passed\s*\n", said)
        assert asked is not None, said
        assert int(asked[1]) == calls, f"{phase} leaves some out"
    found = re.search(r"([0-9]+) generated", said)
    assert found is not None, said
    # What covers each rule of the document is as many whatever is asked for; of some calls there are not so many.
    assert int(found[1]) > 1_400 + 30 * each
    again = tmp_path / "again.toml"
    for number, identity in enumerate(ids):
        again.write_text(f'{CONFIG.read_text()}\n[parameters]\n"path.id" = "{identity}"\n')
        document = tmp_path / f"document-{number}.json"
        document.write_text(whole.get(DOCUMENT).text)
        schemathesis(tmp_path, url, "--include-path-regex", "/envelopes/", "-n", "3")
    assert whole.get("/healthz").status_code == 200


def test_issue14_the_examples_of_the_document_are_taken(whole: httpx.Client) -> None:
    """Each body that it shows is one that the service takes, and the answer is of the shape that it tells."""
    document = whole.get(DOCUMENT).json()
    tried = 0
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            for kind, content in call.get("requestBody", {}).get("content", {}).items():
                for example in content.get("examples", {}).values():
                    tried += 1
                    value = example["value"]
                    query = {"from": "app@shop.example", "to": "ann@example.net"} if kind == "message/rfc822" else {}
                    octets = value if isinstance(value, str) else json.dumps(value)
                    answer = whole.request(method, path, params=query, content=octets, headers={"Content-Type": kind})
                    assert answer.is_success, (path, kind, answer.text)
                    told = call["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
                    check = jsonschema_rs.validator_for({**told, "components": document["components"]})
                    check.validate(answer.json())
                bodies: Any = content["schema"]
                assert bodies
    assert tried >= 5


def test_issue14_the_document_tells_of_everything(whole: httpx.Client) -> None:
    """Each parameter and each member of what is asked and answered is described, or says all by its name and type."""
    document = whole.get(DOCUMENT).json()
    calls = {(path, method): call for path, of in document["paths"].items() for method, call in of.items()}
    for where, call in calls.items():
        assert call["summary"], where
        for parameter in call["parameters"]:
            assert len(parameter["description"]) > len(parameter["name"]), (where, parameter["name"])
        for status, answer in call["responses"].items() if where[0] != DOCUMENT else ():
            for content in answer["content"].values():
                assert content["schema"] not in ({}, {"type": "object"}), (where, status)
    schemas = document["components"]["schemas"]
    assert all(one["description"] and ":ivar" not in one["description"] for one in schemas.values())
    assert schemas["Shown"]["properties"]["state"]["description"].startswith("`scheduled ready")
