"""The README and the pages of docs/ against what they speak of: they say what is, or they fail."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from softbounce_config import load
from softbounce_gateway.cli import app
from typer.main import get_command
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "llms.txt",
        ROOT / "CHANGELOG.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
    ]
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
page = pytest.mark.parametrize("page", PAGES, ids=[path.name for path in PAGES])


def blocks(path: Path) -> Iterator[tuple[str, str]]:
    """The fenced blocks of a page: language and text."""
    for found in BLOCK.finditer(path.read_text()):
        yield found.group(1), found.group(2)


def prose(path: Path) -> str:
    """A page without its fenced blocks."""
    return BLOCK.sub("", path.read_text())


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(prose(path))}


@cache
def commands() -> dict[str, frozenset[str]]:
    """Every command of the command line, with its options."""
    root = get_command(app)
    found = {}
    for name, command in getattr(root, "commands", {}).items():
        group = getattr(command, "commands", {})
        options = [
            option for one in (command, *group.values()) for parameter in one.params for option in parameter.opts
        ]
        found[name] = frozenset([*options, *group])
    return found


def test_the_examples_of_the_readme_are_those_that_run() -> None:
    """The README shows examples/first.py and app.py, letter for letter; script/test examples runs them."""
    shown = [text for language, text in blocks(ROOT / "README.md") if language == "python"]
    assert shown == [(ROOT / "examples" / name).read_text() for name in ("first.py", "app.py")]


def test_llms_txt_leads_to_all_pages_and_shows_what_runs() -> None:
    """Each page of docs/ is linked from llms.txt with its own title, and its Python is examples/first.py."""
    text = (ROOT / "llms.txt").read_text()
    for path in (ROOT / "docs").glob("*.md"):
        title = path.read_text().partition("\n")[0].removeprefix("# ")
        assert f"- [{title}](docs/{path.name}): " in text, f"llms.txt lacks [{title}](docs/{path.name})"
    shown = [code for language, code in blocks(ROOT / "llms.txt") if language == "python"]
    assert shown == [(ROOT / "examples" / "first.py").read_text()]
    assert text.startswith("# softbounce\n\n> ")


def test_every_command_is_in_the_readme() -> None:
    """The README's table has all commands, and no other."""
    table = (ROOT / "README.md").read_text().partition("## Commands")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {word for row in rows for word in re.findall(r"`(?:softbounce )?(\w+)", row)}
    assert named == set(commands())


@page
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file that is there, and a heading that is in it."""
    for link in LINK.findall(prose(page)):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"


@page
def test_commands_that_are_shown_exist(page: Path) -> None:
    """Each `softbounce ...` at a prompt is a command with such options."""
    for language, text in blocks(page):
        if language != "console":
            continue
        for line in re.findall(r"^\$ .*?\bsoftbounce (.+)$", text, re.MULTILINE):
            words = re.split(r" (?:&&|<|\|) ?", line)[0].split()
            while words[0].startswith("--"):
                words = words[2:]
            assert words[0] in commands(), line
            for option in (word for word in words[1:] if word.startswith("--")):
                assert option in commands()[words[0]], f"{line}: there is no {option}"


@page
def test_settings_that_are_shown_can_be_used(page: Path, tmp_path: Path) -> None:
    """Each block of TOML is a config file without a fault."""
    for number, (language, text) in enumerate(blocks(page)):
        if language == "toml":
            tomllib.loads(text)
            file = tmp_path / f"{number}.toml"
            file.write_text(text)
            load(file, environ={})


@page
def test_plans_that_are_shown_are_those_of_the_settings_above(page: Path, tmp_path: Path) -> None:
    """What `softbounce plan` printed on a page is what it prints for the block of TOML before it."""
    file = tmp_path / "softbounce.toml"
    for language, text in blocks(page):
        if language == "toml":
            file.write_text(text)
        prompt, _, shown = text.partition("\n")
        if language == "console" and prompt.startswith("$ softbounce plan"):
            words = prompt.split()[2:]
            printed = CliRunner().invoke(app, [*words, "--config", str(file)], env={"COLUMNS": "100"}).stdout
            assert [line.rstrip() for line in printed.splitlines()] == shown.splitlines()


@page
def test_tests_and_files_that_are_named_exist(page: Path) -> None:
    """A page that names a test or a file of the project names one that is there."""
    text = page.read_text()
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for name in re.findall(r"`(test_\w+)`", text):
        assert f"def {name}(" in tests, f"there is no {name}"
    for name in re.findall(
        r"`((?:softbounce|config|scheduler|worker|gateway|playground|examples|script|deploy|tests|docs)/[\w./]*)`", text
    ):
        assert (ROOT / name).exists(), f"there is no {name}"


def test_every_promise_names_what_shows_it() -> None:
    """Each section of docs/promises.md names a test; each row of its tables of faults names files, or owns up."""
    page = (ROOT / "docs" / "promises.md").read_text()
    promises, _, _ = page.partition("\n## What is not promised")
    for section in promises.split("\n## ")[1:]:
        assert re.search(r"`test_\w+`|`tests/[\w/]+\.py`|benchmarks/\w+\.py", section), section.splitlines()[0]
    faults = promises.partition("\n## By fault")[2].partition("\n## ")[0]
    rows = [line for line in faults.splitlines() if line.startswith("| ")]
    assert len(rows) > 15
    for row in rows:
        shown = row.rsplit(" | ", 1)[1]
        assert re.search(r"`tests/[\w/]+\.py`|not tested|shown in", shown), row


def test_the_page_about_the_store_has_every_script() -> None:
    """docs/store.md lists all scripts, each in the words of its own head."""
    page = (ROOT / "docs" / "store.md").read_text()
    for path in (ROOT / "softbounce" / "store" / "scripts").glob("*.lua"):
        head = path.read_text().splitlines()[1].removeprefix(f"-- {path.stem}: ")
        assert f"| `{path.stem}` | {head[0].upper()}{head[1:]}" in page, (
            f"{path.stem} is missing, or described otherwise"
        )
