"""What lists of standards ask for and no other test holds; numbers as in `docs/trust/standards.md`."""

import ast
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.cli import main

#: Spans that are none of this package's names: a run of pytest, and a function of ArviZ.
OF_OTHERS = {"pytest -m slow", "plot_trace_dist"}
#: Words beside names of the package: what examples call a result and a tree, and what Python and xarray have.
BESIDE = {"synthesis", "tree", "bayesrtw", "print", "attrs"}

ROOT = Path(__file__).parents[2]

MODEL = brw.Model(
    terms=(brw.Intercept(brw.prior.Normal(0, 1)), brw.Exchangeable(brw.prior.HalfNormal(0.5)))
)


def evidence(nudge=1.0):
    return brw.Evidence.from_frame(
        pd.DataFrame(
            {
                "study": list("ABCDEF"),
                "effect": np.array([0.3, -0.2, 0.1, 0.6, 0.05, 0.25]) * nudge,
                "se": [0.1, 0.2, 0.15, 0.3, 0.1, 0.12],
            }
        ),
        benefit="higher",
    )


def answer(tree):
    table = brw.summarise(tree)
    return table.loc[["mu", "tau", "theta_new"], ["mean", "sd", "lower", "upper"]].to_numpy()


@pytest.fixture(scope="module")
def tree():
    return brw.fit(MODEL, evidence())


def test_a_smaller_tolerance_takes_more_nodes_and_moves_less(tree):  # BS4.7
    sizes, off = [], []
    for tolerance in (1e-2, 1e-4, 1e-8):
        found = brw.fit(MODEL, evidence(), engine=brw.Exact(nodes=8, tolerance=tolerance))
        sizes.append(found["quadrature"].sizes["node"])
        off.append(float(np.abs(answer(found) - answer(tree)).max()))
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    assert off[0] > off[-1]
    assert off[-1] < 1e-7


def test_noise_of_the_last_bit_moves_nothing(tree):  # G5.9a
    moved = brw.fit(MODEL, evidence(1 + np.finfo(float).eps))
    assert answer(moved) == pytest.approx(answer(tree), rel=1e-10, abs=1e-12)


def test_the_seed_moves_draws_and_no_answer(tree):  # G5.9b
    other = brw.fit(MODEL, evidence(), seed=1)
    assert np.array_equal(answer(other), answer(tree))
    draws = [each["posterior"]["mu"].to_numpy().ravel() for each in (tree, other)]
    assert not np.array_equal(*draws)
    for mine in draws:
        error = 4 * mine.std() / np.sqrt(mine.size)
        assert mine.mean() == pytest.approx(answer(tree)[0, 0], abs=error)


@pytest.mark.slow
def test_gates_choose_no_draws_and_traces_can_be_looked_at():  # BS4.6, BS5.0, BS6.2
    import arviz_plots  # noqa: PLC0415

    few = {"chains": 4, "draws": 600, "tune": 500}
    gated = brw.fit(MODEL, evidence(), engine=brw.Nuts(**few), seed=7)
    fixed = brw.fit(
        MODEL, evidence(), engine=brw.Nuts(**few, retries=0, allow_unconverged=True), seed=7
    )
    assert gated.attrs["attempts"] == "[]"
    assert gated.attrs["seed"] == 7
    for name, values in gated["posterior"].to_dataset().items():
        np.testing.assert_array_equal(values, fixed["posterior"][name])
    drawn = arviz_plots.plot_trace(gated, var_names=["mu", "tau"], backend="matplotlib")
    assert len(drawn.viz["plot"].data_vars) == 2


#: Every number of the two lists: what stands before the point, then what stands after it.
NUMBERED = {
    "BS1": "0 1 2 2a 2b 2c 3 3a 3b 4 5", "BS2": "1 1a 2 3 4 5 6 7 8 9 10 11 12 13 14 15", "BS3": "0 1 2",
    "BS4": "0 1 2 3 4 5 6 7", "BS5": "0 1 2 3 4 5", "BS6": "0 1 2 3 4 5", "BS7": "0 1 2 3 4 4a",
    "G1": "0 1 2 3 4 4a 5 6",
    "G2": "0 0a 1 1a 2 3 3a 3b 4 4a 4b 4c 4d 4e 5 6 7 8 9 10 11 12 13 14 14a 14b 14c 15 16",
    "G3": "0 1 1a", "G4": "0",
    "G5": "0 1 2 2a 2b 3 4 4a 4b 4c 5 6 6a 6b 7 8 8a 8b 8c 8d 9 9a 9b 10 11 11a 12",
}  # fmt: skip


def test_the_page_names_every_standard_once_and_what_is_there():
    page = (ROOT / "docs" / "trust" / "standards.md").read_text("utf-8")
    firsts = re.findall(r"^\| ((?:BS|G)\d[^|]*) \|", page, re.M)
    named = [number for cell in firsts for number in cell.split(", ")]
    assert named == [f"{part}.{each}" for part, tail in NUMBERED.items() for each in tail.split()]
    paths = re.findall(r"`((?:tests|docs|paper|bayesrtw|\.ci|\.github)/[\w/.]+)`", page)
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


def _members():
    """Names of all that the package defines, of what is public in it, and of keys of its trees."""
    names = {path.stem for path in (ROOT / "bayesrtw").rglob("*.py")}
    for path in (ROOT / "bayesrtw").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names.add(node.target.id)
    return names


def test_the_page_names_nothing_that_does_not_exist():
    """Of every span in backticks: files, commands with their options, calls, and names of the package."""
    page = (ROOT / "docs" / "trust" / "standards.md").read_text("utf-8")
    spans = sorted(set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page, flags=re.S))))
    names, wrong = _members(), []
    options = {
        word
        for path in (ROOT / "bayesrtw" / "cli").glob("*.py")
        for word in re.findall(r'"(--[a-z-]+)"', path.read_text("utf-8"))
    }
    for span in spans:
        if span.startswith("bayesrtw "):
            _, command, *rest = span.split()
            told = command in main.commands and all(
                each in options
                if each.startswith("--")
                else each in main.commands[command].commands
                for each in rest
            )
        elif span.startswith("--"):
            told = span in options
        elif re.fullmatch(r"[\w./]+\.(?:py|md|toml|cff|json|bib|yml)|\.ci/\w+", span):
            told = (ROOT / span).exists() or span == "synthesis.json"
        elif span in OF_OTHERS:
            told = True
        else:
            words = re.findall(r"[A-Za-z_]\w*", span)
            told = bool(words) and set(words) <= names | BESIDE
        if not told:
            wrong.append(span)
    assert wrong == []


def test_the_package_issues_no_python_warning():  # BS2.14
    issued = [
        f"{path.name}:{node.lineno}"
        for path in (ROOT / "bayesrtw").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute | ast.Name)
        and (getattr(node, "attr", None) or getattr(node, "id", "")) in {"warn", "warn_explicit"}
    ]
    assert issued == []


def test_what_is_printed_of_a_synthesis_fits_a_screen():  # BS6.0
    assert len(str(brw.run(evidence())).splitlines()) < 40
