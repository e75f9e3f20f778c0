"""What the pages must say: every public name, component, command and key."""

import json
import re
import tomllib
from dataclasses import fields
from datetime import date
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import bayesrtw as brw
from bayesrtw import registry
from bayesrtw.analysis.spec import Analysis
from bayesrtw.cli import main
from bayesrtw.engine import Engine
from bayesrtw.errors import Faults, SpecError
from bayesrtw.living.outcome import CODES
from bayesrtw.model.likelihood import Likelihood
from bayesrtw.model.prior import Prior
from bayesrtw.model.selection import Selection
from bayesrtw.model.term import Term
from bayesrtw.reading.schema import (
    CodingTable,
    DependenceTable,
    Description,
    FieldTable,
    OutcomeTable,
    PartTable,
    SourceTable,
)

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ROLES = {
    "prior": Prior,
    "term": Term,
    "likelihood": Likelihood,
    "selection": Selection,
    "engine": Engine,
}
COMPONENTS = tomllib.loads((DOCS / "components.toml").read_text("utf-8"))
PAGES = sorted(
    path
    for path in DOCS.rglob("*.md")
    if not {"_build", "generated"} & set(path.relative_to(DOCS).parts)
)


def test_every_public_name_has_its_place():
    listed = tomllib.loads((DOCS / "public.toml").read_text("utf-8"))
    names = [name for group in listed.values() for name in group]
    assert sorted(names) == sorted(brw.__all__)


@pytest.mark.parametrize("role", ROLES)
def test_every_component_is_described(role):
    assert Analysis.__name__  # its module registers every component
    assert set(COMPONENTS[role]) == set(registry.kinds(role))


@pytest.mark.parametrize(
    ("role", "kind"), [(role, kind) for role, table in COMPONENTS.items() for kind in table]
)
def test_the_example_of_a_component_is_read_as_that_kind(role, kind):
    entry = COMPONENTS[role][kind]
    assert set(entry) == {"example", "formula", "not_when"}
    table = tomllib.loads(f"x = {entry['example']}")["x"]
    faults = Faults(SpecError)
    value = registry.decode(ROLES[role], table, where="example", faults=faults)
    faults.raise_if_any()
    assert registry.kind_of(value) == kind
    assert len(entry["not_when"]) > 40


def commands(group, before=()):
    for name, command in group.commands.items():
        yield (*before, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))


def test_every_command_and_option_explains_itself():
    bare = []
    for name, command in commands(main):
        if not command.help:
            bare.append(" ".join(name))
        bare += [
            f"{' '.join(name)} {option.opts[0]}"
            for option in command.params
            if isinstance(option, click.Option) and not option.help
        ]
    assert bare == []


def test_commands_that_the_pages_name_exist():
    known = {" ".join(name) for name, _ in commands(main)}
    wrong = []
    for page in [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for line in re.findall(
            r"^(?:[$!] ?)?(?:uv run )?bayesrtw ([a-z].*)$", page.read_text("utf-8"), re.M
        ):
            words = line.split()
            if words[0] not in known or (words[0] == "new" and " ".join(words[:2]) not in known):
                wrong.append(f"{page.name}: {line}")
    assert wrong == []


def test_every_key_of_a_data_set_is_explained():
    page = (DOCS / "reference/evidence-files.md").read_text("utf-8")
    tables = (
        *(Description, SourceTable, OutcomeTable, FieldTable, DependenceTable),
        *(CodingTable, PartTable),
    )
    keys = {each.name for table in tables for each in fields(table)}
    alone = {"source", "files", "columns", "coding"}
    repeated = {"outcome", "field", "dependence", "part"}
    written = {f"`{key}`" for key in keys - alone - repeated}
    written |= {f"`[{key}]`" for key in alone} | {f"`[[{key}]]`" for key in repeated}
    assert {form for form in written if form not in page} == set()


def test_every_exit_code_stands_in_the_table_of_living_evidence():
    page = (DOCS / "living.md").read_text("utf-8")
    assert all(f"| {code} |" in page for code in (*CODES, 2, 3))


def test_the_exit_codes_that_need_no_store_are_what_commands_return(tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("id = 1\n", encoding="utf-8")
    asked = {
        ("list",): 0,
        ("run", "no-such-analysis"): 1,
        ("run", str(wrong)): 1,
        ("run", "--no-such-option"): 2,
        ("no-such-command",): 2,
        ("check", "--strict", str(DOCS / "start/example.csv")): 3,
        ("check", str(DOCS / "start/example.csv")): 0,
    }
    found = {words: CliRunner().invoke(main, words).exit_code for words in asked}
    assert found == asked


def test_every_exit_code_of_an_update_is_asserted_where_updates_are_tested():
    suite = (ROOT / "tests/unit/test_living.py").read_text("utf-8")
    bare = [code for code in CODES if code >= 10 and not re.search(rf"\b{code}\b", suite)]
    assert bare == []


def test_what_was_measured_is_dated_and_names_the_command():
    records = sorted((DOCS / "measured").glob("*.json"))
    assert [path.stem for path in records] == ["collection", "corpus", "peers", "scale", "speed"]
    for path in records:
        record = json.loads(path.read_text("utf-8"))
        date.fromisoformat(record["date"])
        (script,) = (word for word in record["command"].split() if word.endswith(".py"))
        assert (ROOT / script).exists()
        page = "collections" if path.stem == "collection" else "validation"
        assert path.name in (DOCS / f"trust/{page}.md").read_text("utf-8")
    corpus = json.loads((DOCS / "measured/corpus.json").read_text("utf-8"))
    assert corpus["failures"] == 0
    assert "unexplained" not in corpus["differences"]


def test_links_between_pages_lead_somewhere():
    wrong = []
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if "://" in target or "generated/" in target or target.startswith("mailto:"):
                continue
            if not (page.parent / target).exists():
                wrong.append(f"{page.relative_to(DOCS)}: {target}")
    assert wrong == []


def test_the_layers_of_the_architecture_page_are_those_of_the_build():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    drawn = " > ".join(layer.replace("bayesrtw.", "").replace(" | ", ", ") for layer in layers)
    assert drawn in (DOCS / "architecture.md").read_text("utf-8")


def test_every_module_stands_once_in_its_room_on_the_architecture_page():
    page = (DOCS / "architecture.md").read_text("utf-8").split("```")[1]
    listed, room = [], ""
    for line in page.splitlines()[1:]:
        opened = re.match(r"(?:  )?(\w+)/", line)
        room = opened.group(1) if opened else room
        heads = re.match(r" *((?:\w+\.py ?)+)", line)
        inside = line.startswith("    ")
        names = heads.group(1).split() if heads else []
        listed += [f"{room}/{name}" if inside else name for name in names]
    assert [name for name in listed if listed.count(name) > 1] == []
    package = ROOT / "bayesrtw"
    modules = {
        path.relative_to(package).as_posix()
        for path in (*package.glob("*.py"), *package.glob("*/*.py"))
    }
    assert set(listed) - modules == set()
    one_a_picture = {each for each in modules if each.startswith(("cli/", "plot/"))}
    unsaid = {each for each in modules if Path(each).name in {"__init__.py", "__main__.py"}}
    assert modules - one_a_picture - unsaid - set(listed) == set()
