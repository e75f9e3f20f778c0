"""Rules ask facts: no class of a component outside its own file, no prefix of a name.

The rooms in transition are counted, so that the list can only shrink.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import bayesrtw.analysis.spec
from bayesrtw import registry

PACKAGE = Path(bayesrtw.__file__).parent

#: How many tests on the class of a component a file still makes, and none more.
IN_TRANSITION = {
    "engine/nuts.py": 1,
}

#: Names that hyperparameters have in our own terms; those of others have names of their own.
OURS = ("tau", "rho", "icc", "bias")


def _classes() -> dict[str, str]:
    """Registered classes by name, with the file of each; engines choose for themselves."""
    roles = ("term", "prior", "likelihood")
    every = (cls for role in roles for cls in registry.kinds(role).values())
    return {cls.__name__: cls.__module__ for cls in every}


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


def _files() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def test_no_rule_asks_which_class_a_component_is():
    classes, found = _classes(), Counter()
    for name, tree in _files():
        module = "bayesrtw." + name.removesuffix(".py").replace("/", ".")
        for _, cls in _asked(tree):
            if classes.get(cls, module) != module:
                found[name] += 1
    assert found <= Counter(IN_TRANSITION)


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
