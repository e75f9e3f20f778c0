"""Importing costs nothing: what takes seconds to load is loaded when it is first used."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import bayesrtw
from bayesrtw.analysis.spec import Analysis
from bayesrtw.registry import kinds

HEAVY = ("pymc", "pytensor", "arviz", "matplotlib")
SLOW = ("xarray", "pandas", "scipy")


def modules(code):
    script = f"import sys\n{code}\nprint(*sorted(sys.modules), file=sys.__stdout__)"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(run.stdout.split())


def test_the_package_loads_nothing_heavy():
    loaded = modules("import bayesrtw")
    assert "bayesrtw" in loaded
    assert loaded.isdisjoint((*HEAVY, *SLOW))


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_loads_nothing_slow(arguments):
    loaded = modules(
        "from bayesrtw.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as stop:\n    assert stop.code == 0"
    )
    assert "bayesrtw.cli" in loaded
    assert loaded.isdisjoint((*HEAVY, *SLOW))


def test_a_first_answer_without_report_loads_no_sampler_no_plots_and_no_optimiser(tmp_path):
    table = tmp_path / "rows.csv"
    table.write_text(
        "study,measure,effect,se\nA,log_hazard_ratio,0.3,0.1\nB,log_hazard_ratio,0.1,0.2\n"
    )
    words = ["run", "--evidence", str(table), "--no-report", "--out", str(tmp_path / "out")]
    loaded = modules(
        "from bayesrtw.cli import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit as stop:\n    assert not stop.code"
    )
    assert (tmp_path / "out" / "effect" / "synthesis.json").is_file()
    assert "scipy.special" in loaded
    several = ("arviz_stats", "numba", "scipy.interpolate", "scipy.optimize", "scipy.stats")
    assert loaded.isdisjoint((*HEAVY, *several))


@pytest.mark.parametrize("given", [[], ["--jobs", "2"]])
def test_commands_load_dask_where_they_are_given_a_cluster_alone(tmp_path, given):
    table = tmp_path / "rows.csv"
    table.write_text("study,measure,effect,se\nA,log_hazard_ratio,0.3,0.1\n")
    words = [
        "bayesrtw",
        "run",
        "--evidence",
        str(table),
        "--no-report",
        "--out",
        str(tmp_path / "out"),
    ]
    loaded = modules(
        "import os\nfrom bayesrtw.cli import process\n"
        "def end(code):\n    print(*sorted(sys.modules), flush=True)\n    os._exit(code)\n"
        f"sys.argv = {[*words, *given]!r}\nprocess._end = end\nprocess.start()"
    )
    assert (tmp_path / "out" / "effect" / "synthesis.json").is_file()
    assert loaded.isdisjoint(("dask.array", "dask.base", "distributed"))


def test_reading_evidence_and_analyses_needs_no_sampler_and_no_plots():
    loaded = modules(
        "import bayesrtw as brw\nbrw.open_dataset('cancer-rtw')\nbrw.open_analysis('cancer-rtw')"
    )
    assert "xarray" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_a_heartbeat_writes_the_index_without_numerical_libraries():
    loaded = modules("import bayesrtw.living.index")
    assert "bayesrtw.report.block" in loaded
    assert loaded.isdisjoint((*HEAVY, *SLOW, "numpy", "jinja2"))


@pytest.mark.parametrize("name", bayesrtw.__all__)
def test_every_public_name_resolves(name):
    assert getattr(bayesrtw, name) is not None
    assert name in dir(bayesrtw)


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'bayesrtw' has no attribute 'fitt'"):
        _ = bayesrtw.fitt


def test_a_picture_without_a_public_name_says_where_it_is():
    with pytest.raises(
        AttributeError, match=r"synthesis\.plot\('tau'\), or import it: from bayesrtw.plot.tau"
    ):
        _ = bayesrtw.plot_tau
    with pytest.raises(AttributeError, match=r"no attribute 'plot_figure'$"):
        _ = bayesrtw.plot_figure


def test_there_are_few_public_names_and_modules_complete_to_components():
    assert len(bayesrtw.__all__) <= 50
    assert Analysis.__name__  # its module registers every component
    for module, role, parts in (
        (bayesrtw.prior, "prior", set()),
        (bayesrtw.likelihood, "likelihood", {"Clustering", "Correlation"}),
        (bayesrtw.selection, "selection", {"robma"}),
    ):
        assert set(dir(module)) - parts == {each.__name__ for each in kinds(role).values()}
    terms = {each.__name__ for each in kinds("term").values()}
    assert set(dir(bayesrtw.bias)) - terms == {"RiskClass", "RiskGroup", "Studies"}
    for module in (bayesrtw.prior, bayesrtw.bias, bayesrtw.likelihood, bayesrtw.terms):
        assert all(getattr(module, name).__name__ == name for name in dir(module))
    with pytest.raises(AttributeError, match="has no 'HalfNorml'; did you mean 'HalfNormal'"):
        _ = bayesrtw.prior.HalfNorml


def test_no_two_test_files_have_one_name():
    # pytest imports a file in a folder without __init__.py by its bare name, and stops at a second one.
    tests = Path(__file__).parents[1]
    files = [
        file for file in tests.rglob("test_*.py") if not (file.parent / "__init__.py").exists()
    ]
    assert len(files) > 40
    assert [name for name, times in Counter(file.name for file in files).items() if times > 1] == []


def test_no_two_classes_share_a_name():
    # A name says what it is, in an error and to who searches; what is listed waits for its room's change.
    waiting = {
        "Altered",
        "Common",
        "Entry",
        "Laid",
        "Layout",
        "LeftOut",
        "Place",
        "Quantity",
        "Shifted",
    }
    files = Path(bayesrtw.__file__).parent.rglob("*.py")
    found = Counter(
        node.name
        for file in files
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, count in found.items() if count > 1} <= waiting
