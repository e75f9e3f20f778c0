"""Rules ask components for facts and never for their class, so that a foreign one is treated alike.

The package is read as syntax. A class test is `isinstance`, `issubclass`, a class pattern of `match`, or
`type(x)` held against a class, where the class is of a component, or of what components are made of, and
stands in another file. A kind is a class by another name, so `kind_of` compared with words counts too.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "bayesrtw"
#: Rooms whose classes a person can add a foreign one of, or that such a class is made of.
ROOMS = ("bayesrtw.model", "bayesrtw.engine")

#: What a person passes to a verb is one of a few known things; no rule about components follows.
ALLOWED = {
    ("question/asked.py", "Model"): "a verb is asked of a model, a synthesis or a fit",
    ("question/compare.py", "Ensemble"): "models by name come with prior probabilities, or without",
    ("engine/__init__.py", "Improper"): "a typed sentence of the exact engine, no component",
}


def _imported(tree: ast.AST) -> dict[str, str]:
    """Name in a file to the module it is from."""
    return {
        each.asname or each.name: node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for each in node.names
    }


def _tested(node: ast.AST) -> ast.AST | None:
    """What something is held against, if the node is a class test."""
    match node:
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, against]):
            return against
        case ast.MatchClass(cls=against):
            return against
        case ast.Compare(left=ast.Call(func=ast.Name(id="type")), comparators=[against]):
            return against
    return None


def _class_tests(text: str) -> Iterator[str]:
    """Names of the classes of components that a file tests for."""
    tree = ast.parse(text)
    home = _imported(tree)
    for node in ast.walk(tree):
        against = _tested(node)
        for each in ast.walk(against) if against is not None else ():
            if isinstance(each, ast.Name) and home.get(each.id, "").startswith(ROOMS):
                yield each.id


def _kind_tests(text: str) -> Iterator[str]:
    """Words that a kind is held against in a file."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            asked = any(
                isinstance(side, ast.Call)
                and isinstance(side.func, ast.Name)
                and side.func.id == "kind_of"
                for side in sides
            )
            yield from (ast.unparse(node) for _ in range(asked))


def _files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_no_file_tests_for_the_class_of_a_component():
    found = {
        (path.relative_to(PACKAGE).as_posix(), name)
        for path in _files()
        for name in _class_tests(path.read_text(encoding="utf-8"))
    }
    assert found - set(ALLOWED) == set()
    assert set(ALLOWED) - found == set(), "what is allowed and gone leaves the list"


#: Formats of other programs know some densities by name; a prior that they do not know is refused by name.
KINDS = {"report/export.py": "bayesmeta's densities of a heterogeneity SD"}


def test_no_file_holds_a_kind_against_words():
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in _files()
        if any(_kind_tests(path.read_text(encoding="utf-8")))
    }
    assert found == set(KINDS)


@pytest.mark.parametrize(
    "line",
    [
        "isinstance(term, Fixed)",
        "isinstance(term, (str, Fixed))",
        "isinstance(term, Fixed | str)",
        "type(term) is Fixed",
        "[0 for each in terms if issubclass(type(each), Fixed)]",
        "match term:\n    case Fixed():\n        pass",
    ],
)
def test_a_class_test_is_seen(line):
    assert list(_class_tests(f"from bayesrtw.model.term import Fixed\n{line}")) == ["Fixed"]
    assert not list(
        _class_tests("from bayesrtw.evidence.table import Evidence\nisinstance(x, Evidence)")
    )
    assert list(_kind_tests("kind_of(term) == 'normal'"))
