"""Rules ask facts: no class of a component outside its own file, no prefix of a name.

A class test is `isinstance`, `issubclass`, a class pattern of `match`, or `type(x)` held against a class of a
component, or of what components are made of, outside the file of that class. A kind is another name of it.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FunctionType

import pytest

import bayesrtw
from bayesrtw import registry

PACKAGE = Path(bayesrtw.__file__).parent

#: Rooms whose classes a person can add a foreign one of, or that such a class is made of.
ROOMS = ("model", "engine")

#: What a person passes to a verb is one of a few known things; no rule about components follows.
ALLOWED = {
    ("question/asked.py", "Model"): "a verb is asked of a model, a synthesis or a fit",
    ("question/compare.py", "Ensemble"): "models by name come with prior probabilities, or without",
    ("model/checked.py", "Model"): "what is passed in the place of a model is named",
    ("engine/__init__.py", "Improper"): "a typed sentence of the exact engine, no component",
}

#: Formats of other programs know some densities by name; a prior that they do not know is refused by name.
KINDS = {"report/export.py"}

#: Names that hyperparameters have in our own terms; those of others have names of their own.
OURS = ("tau", "rho", "icc", "bias")


@cache
def _classes() -> dict[str, str]:
    """Classes of these rooms by name, with the file of each."""
    return {
        node.name: name
        for name, tree in _files()
        if name.split("/")[0] in ROOMS
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


def _asked(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Names of classes that a file asks for, wherever isinstance and its like stand."""
    aliases = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
            "isinstance",
            "issubclass",
        ):
            asked: list[ast.AST] = [node.args[1]]
        elif isinstance(node, ast.MatchClass):
            asked = [node.cls]
        elif (
            isinstance(node, ast.Compare)
            and isinstance(node.left, ast.Call)
            and getattr(node.left.func, "id", "") == "type"
        ):
            asked = list(node.comparators)
        else:
            continue
        for each in asked:
            for part in ast.walk(each):
                for name in (
                    ast.walk(aliases[part.id])
                    if isinstance(part, ast.Name) and part.id in aliases
                    else [part]
                ):
                    found = getattr(name, "id", getattr(name, "attr", ""))
                    if found:
                        yield node.lineno, found


def _prefixes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Beginnings and ends of names that a file looks at."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        asks = node.func.attr in ("startswith", "endswith", "removeprefix", "removesuffix")
        given = node.args[0]
        if asks and isinstance(given, ast.Constant) and str(given.value).rstrip("_[") in OURS:
            yield node.lineno, str(given.value)


@cache
def _files() -> tuple[tuple[str, ast.AST], ...]:
    return tuple(
        (path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(PACKAGE.rglob("*.py"))
    )


def test_no_rule_asks_which_class_a_component_is():
    classes = _classes()
    found = {
        (name, cls)
        for name, tree in _files()
        for _, cls in _asked(tree)
        if classes.get(cls, name) != name
    }
    assert found - set(ALLOWED) == set()
    assert set(ALLOWED) - found == set(), "what is allowed and gone leaves the list"


@pytest.mark.parametrize(
    "line",
    [
        "isinstance(term, Fixed)",
        "isinstance(term, (str, term.Fixed))",
        "isinstance(term, Fixed | str)",
        "type(term) is Fixed",
        "KNOWN = (Fixed,)\nisinstance(term, KNOWN)",
        "[0 for each in terms if issubclass(type(each), Fixed)]",
        "match term:\n    case Fixed():\n        pass",
    ],
)
def test_a_class_test_is_seen(line):
    assert "Fixed" in {name for _, name in _asked(ast.parse(line))} & set(_classes())


def test_no_rule_holds_a_kind_against_words():
    found = {
        name
        for name, tree in _files()
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and any(
            isinstance(side, ast.Call) and getattr(side.func, "id", "") == "kind_of"
            for side in (node.left, *node.comparators)
        )
    }
    assert found == KINDS


def test_no_rule_looks_at_how_a_name_begins():
    found = [(name, line, prefix) for name, tree in _files() for line, prefix in _prefixes(tree)]
    assert found == []


def test_no_two_classes_share_a_name():
    found = Counter(
        node.name
        for _, tree in _files()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name in sorted(found) if found[name] > 1] == []


def test_a_method_without_words_is_one_that_a_protocol_or_a_base_describes():
    classes = [
        (name, node)
        for name, tree in _files()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]
    told: dict[str, set[str]] = {}
    for _, node in classes:
        methods = [each for each in node.body if isinstance(each, ast.FunctionDef)]
        told.setdefault(node.name, set()).update(
            each.name for each in methods if ast.get_docstring(each)
        )
    protocols = set[str]()
    for _, node in classes:
        if "Protocol" in {ast.unparse(base).split("[")[0] for base in node.bases}:
            protocols |= told[node.name]
    silent = [
        (name, node.name, each.name)
        for name, node in classes
        for each in node.body
        if isinstance(each, ast.FunctionDef)
        and not (node.name.startswith("_") or each.name.startswith("_"))
        and not any("overload" in ast.unparse(mark) for mark in each.decorator_list)
        and not ast.get_docstring(each)
        and each.name not in protocols
        and not any(each.name in told.get(ast.unparse(base), ()) for base in node.bases)
    ]
    assert silent == []


def test_what_a_component_offers_is_described():
    assert bayesrtw.Analysis  # its module registers every component
    for role in ("term", "prior", "likelihood", "selection", "engine"):
        for kind, cls in registry.kinds(role).items():
            public = [name for name in vars(cls) if not name.startswith("_")]
            bare = [
                name
                for name in public
                if isinstance(vars(cls)[name], FunctionType | property)
                and not vars(cls)[name].__doc__
            ]
            assert bare == [], (role, kind)
    assert "Quantile function" in bayesrtw.prior.Normal.ppf.__doc__
