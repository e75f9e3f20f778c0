"""A folder of results appears whole, or not at all."""

import errno

import pandas as pd
import pytest

from bayesrtw.analysis.run import run
from bayesrtw.analysis.spec import parse
from bayesrtw.errors import OutputError
from bayesrtw.evidence.table import Evidence
from bayesrtw.plot import figure
from bayesrtw.report import folder
from bayesrtw.report.folder import write_results

TEXT = """
schema = 1
id = "small"
title = "Small"
question = "Whole?"
seed = 7
engine = { kind = "exact", draws = 10 }
evidence = { dataset = "none", measure = "generic" }
term = [
  { kind = "intercept", prior = { kind = "normal", sd = 0.5 } },
  { kind = "exchangeable", tau = { kind = "half_normal", scale = 0.25 } },
]
"""
PICTURES = {"forest.svg", "forest.png"}
FILES = {"synthesis.json", "estimates.csv", "posterior.nc"} | PICTURES


@pytest.fixture(scope="module")
def synthesis():
    table = {"study": list("ABC"), "effect": [0.1, 0.3, 0.2], "se": [0.1, 0.2, 0.1]}
    return run(parse(TEXT, "small.toml"), Evidence.from_frame(pd.DataFrame(table)))


def content(path):
    return {item.name: item.read_bytes() for item in path.iterdir()}


def test_results_appear_with_their_folders(synthesis, tmp_path):
    target = write_results(synthesis, tmp_path / "new" / "out")
    assert target == tmp_path / "new" / "out" / "small"
    assert set(content(target)) == FILES
    assert [item.name for item in target.parent.iterdir()] == ["small"]


def test_the_posterior_in_memory_is_let_go_of(synthesis, tmp_path, monkeypatch):
    # A buffer that was collected together with its view printed "BufferError: Existing exports of data".
    tree, views = type(synthesis.posterior), []
    made = tree.to_netcdf
    monkeypatch.setattr(
        tree,
        "to_netcdf",
        lambda *args, **options: views.append(made(*args, **options)) or views[-1],
    )
    write_results(synthesis, tmp_path)
    (view,) = views
    with pytest.raises(ValueError, match="released"):
        view.tobytes()


def test_an_earlier_result_is_replaced_as_a_whole(synthesis, tmp_path):
    target = write_results(synthesis, tmp_path)
    (target / "forest-stale.svg").write_text("of an earlier revision")
    write_results(synthesis, tmp_path)
    assert set(content(target)) == FILES
    assert [item.name for item in tmp_path.iterdir()] == ["small"]


def test_what_somebody_put_beside_a_result_is_never_deleted(synthesis, tmp_path):
    target = write_results(synthesis, tmp_path)
    (target / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds 'notes\.txt', which this program did not write"):
        write_results(synthesis, tmp_path)
    assert (target / "notes.txt").read_text() == "mine"
    assert set(content(target)) == FILES | {"notes.txt"}


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_not_a_result_is_never_replaced(synthesis, tmp_path, kind):
    target = tmp_path / "small"
    if kind == "folder":
        target.mkdir()
        (target / "thesis.txt").write_text("ten years of work")
    else:
        target.write_text("ten years of work")
    with pytest.raises(
        OutputError, match="small: exists and holds no synthesis; nothing was written"
    ):
        write_results(synthesis, tmp_path)
    assert [item.name for item in tmp_path.rglob("*")] in (["small", "thesis.txt"], ["small"])


def test_a_file_in_the_way_of_the_folder_is_named(synthesis, tmp_path):
    (tmp_path / "out").write_text("")
    for out in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(
            OutputError, match=r"out.*: cannot be written \((File exists|Not a dir)"
        ):
            write_results(synthesis, out)
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_may_not_be_looked_into_is_named(synthesis, tmp_path, monkeypatch):
    def stat(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "stat", stat)
    with pytest.raises(
        OutputError, match=r"locked.*: cannot be written \(Permission denied\); choo"
    ):
        write_results(synthesis, tmp_path / "locked")


FAILURES = [
    OSError(errno.ENOSPC, "No space left on device"),
    RuntimeError("a bug"),
    KeyboardInterrupt(),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize("earlier", [False, True])
def test_a_failure_in_the_middle_leaves_everything_as_it_was(
    synthesis, tmp_path, monkeypatch, failure, earlier
):
    if earlier:
        write_results(synthesis, tmp_path)
        before = content(tmp_path / "small")

    def fail(*arguments):
        raise failure

    monkeypatch.setattr(figure, "figure_bytes", fail)
    expected = OutputError if isinstance(failure, OSError) else type(failure)
    with pytest.raises(expected) as caught:
        write_results(synthesis, tmp_path)
    if expected is OutputError:
        assert "small: cannot be written (No space left on device)" in str(caught.value)
    assert [item.name for item in tmp_path.iterdir()] == (["small"] if earlier else [])
    if earlier:
        assert content(tmp_path / "small") == before


def test_a_rename_that_fails_brings_the_earlier_result_back(synthesis, tmp_path, monkeypatch):
    target = write_results(synthesis, tmp_path)
    before = content(target)
    rename = type(target).rename

    def fail(path, other):
        if path.name.startswith(".partial-") and not path.name.endswith("-old"):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, other)

    monkeypatch.setattr(type(target), "rename", fail)
    with pytest.raises(
        OutputError, match=r"small: cannot be written \(Invalid cross-device link\)"
    ):
        write_results(synthesis, tmp_path)
    assert content(target) == before
    assert [item.name for item in tmp_path.iterdir()] == ["small"]


def test_the_document_holds_no_number_that_json_does_not_have(synthesis, tmp_path):
    text = (write_results(synthesis, tmp_path) / "synthesis.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert "Infinity" not in text
    assert folder.document(synthesis)["estimates"]["tau"]["probability"] is None
