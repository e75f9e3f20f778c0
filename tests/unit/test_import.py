"""Import: a data set folder that reads back to the same effects, or nothing at all."""

import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from openpyxl import Workbook

from bayesrtw.cli import main
from bayesrtw.errors import EvidenceError, OutputError
from bayesrtw.reading import write
from bayesrtw.reading.imported import findings
from bayesrtw.reading.read import read_folder
from bayesrtw.reading.source import read_source
from bayesrtw.reading.write import files_of, write_folder

FORMATS = Path(__file__).parent.parent / "formats"
DAY = date(2026, 11, 22)

CSV = (
    "study,reported,measure,estimate,ci_low,ci_high,events_t,n_t,events_c,n_c,multiplier,country,benefit\n"
    "Ærø,risk_ratio,,1.5,1.2,2.0,,,,,,NL,higher\n"
    'Bo,counts,log_odds_ratio,,,,3,10,2,10,2,"NO, SE",higher\n'
)
RM5 = """<?xml version="1.0"?><COCHRANE_REVIEW><COVER_SHEET><TITLE>"Odd" \\ title</TITLE></COVER_SHEET>
<STUDY ID="a" NAME="A, &quot;B&quot;" YEAR="2001"/><STUDY ID="b" NAME=" =1+1 " YEAR=""/>
<COMPARISON NO="1"><NAME>One</NAME><DICH_OUTCOME NO="10" EFFECT_MEASURE="RR"><NAME>Wörk, "off"</NAME>
<DICH_DATA STUDY_ID="a" EVENTS_1="1" TOTAL_1="9" EVENTS_2="2" TOTAL_2="9" EFFECT_SIZE="0.5"/>
<DICH_DATA STUDY_ID="a" EVENTS_1="1" TOTAL_1="9" EVENTS_2="2" TOTAL_2="9" EFFECT_SIZE="0.5"/>
<DICH_DATA STUDY_ID="b" EVENTS_1="0" TOTAL_1="9" EVENTS_2="0" TOTAL_2="9"/></DICH_OUTCOME>
<CONT_OUTCOME NO="1" EFFECT_MEASURE="SMD"><NAME>Days</NAME>
<CONT_DATA STUDY_ID="b" MEAN_1="1.1" SD_1="2" TOTAL_1="9" MEAN_2="3" SD_2="2" TOTAL_2="9"/>
</CONT_OUTCOME></COMPARISON></COCHRANE_REVIEW>"""


@pytest.fixture(params=["rm5", "odd.rm5", "zip", "csv", "xlsx"])
def source(request, tmp_path):
    folder = tmp_path / "sources"
    folder.mkdir()
    path = folder / f"s.{request.param}"
    if request.param == "csv":
        path.write_text(CSV, encoding="utf-8")
    elif request.param == "odd.rm5":
        path.write_text(RM5, encoding="utf-8")
    elif request.param == "xlsx":
        book = Workbook()
        book.active.append(["study", "effect", "se", "country"])
        book.active.append(["A", 0.1, 0.2, "NL"])
        book.save(path)
    else:
        name = {"rm5": "Fleiss1993.rm5", "zip": "cochrane-data-package.zip"}[request.param]
        shutil.copy(FORMATS / name, path)
    return path


def call(*arguments, code=0):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    return result


def test_a_folder_reads_back_to_the_same_rows(source, tmp_path):
    imported = read_source(source)
    found = write_folder(imported, tmp_path / "out", retrieved=DAY)
    again = read_folder(tmp_path / "out")
    assert again.digest() == found.digest()
    for name, variable in imported.evidence.data.data_vars.items():
        if name == "benefit":
            continue
        back = again.data[name].to_numpy()
        if variable.dtype == object:
            assert back.tolist() == variable.to_numpy().tolist(), name
        else:
            np.testing.assert_array_equal(back, variable.to_numpy(), err_msg=str(name))
    assert again.outcomes == imported.evidence.outcomes
    assert again.provenance.limits == imported.evidence.provenance.limits
    assert again.provenance.retrieved == "2026-11-22"
    assert again.provenance.dataset == "out"
    assert again.judgements == imported.evidence.judgements


def test_check_passes_and_run_gives_results_straight_away(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = call("import", source, "--to", "out").stdout
    assert printed.startswith("written: out: ")
    assert call("check", "out").stdout == "ok: out\n"
    # Of a whole review the answers alone; how its report is written is asked of the first pages.
    review = ["--no-report"] if source.name in ("s.rm5", "s.zip") else []
    document = json.loads(call("run", "--evidence", "out", "--json", *review).stdout)
    assert document
    for each in document.values():
        # Where the exact likelihood does not come to rest, it is said what stands in its place.
        rules = [found["check"] for found in each["findings"]]
        normal = (
            "likelihood" not in each["analysis"]
            or each["analysis"]["likelihood"]["kind"] == "normal"
        )
        assert normal or "counts-not-fitted" not in rules


def test_the_same_source_gives_the_same_bytes(source):
    first, second = (files_of(read_source(source), "x", DAY) for _ in range(2))
    assert first == second
    assert {"dataset.toml", "studies.csv", "results.csv"} <= first.keys()


def test_quarantined_rows_survive_the_folder(tmp_path):
    path = tmp_path / "odd.rm5"
    path.write_text(RM5, encoding="utf-8")
    found = write_folder(read_source(path), tmp_path / "out", retrieved=DAY)
    (finding,) = findings(found)
    assert finding.message == (
        'Not used (1), no events in either arm: the measure is undefined: =1+1 (1.10 Wörk, "off").'
    )
    assert np.isnan(found.data["effect"]).to_numpy().tolist() == [False, False, True, False]
    result = call("import", path, "--to", tmp_path / "two")
    assert "warning: Not used (1), no events in either arm" in result.stderr
    assert "written: " in result.stdout
    assert "2 outcomes, 2 studies, 4 results, 3 of them usable" in result.stdout


def test_run_reads_a_source_without_an_import(tmp_path):
    path = FORMATS / "Fleiss1993.rm5"
    result = call("run", "--evidence", path, "--json", "--out", tmp_path, "--no-report")
    assert len(json.loads(result.stdout)) == 2


def test_results_name_the_rows_that_were_not_used(tmp_path):
    path = tmp_path / "odd.rm5"
    path.write_text(RM5, encoding="utf-8")
    printed = call("run", "--evidence", path, "--json", "--out", tmp_path / "r").stdout
    assert "Left out (1): =1+1" in printed


def test_a_direction_of_benefit_can_be_given(source, tmp_path):
    call(
        "import",
        source,
        "--to",
        tmp_path / "out",
        "--benefit",
        "lower",
        "--retrieved",
        "2026-11-01",
    )
    found = read_folder(tmp_path / "out")
    assert {outcome.benefit for outcome in found.outcomes.values()} == {"lower"}
    assert (
        "Direction of benefit: lower for every outcome, given by hand." in found.provenance.limits
    )
    assert found.provenance.retrieved == "2026-11-01"


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("x")
    result = call("import", FORMATS / "Fleiss1993.rm5", "--to", out, code=1)
    assert f"{out}: is not empty; an import writes a new folder" in result.stderr
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_or_a_link_in_the_place_is_left_alone(tmp_path):
    imported = read_source(FORMATS / "Fleiss1993.rm5")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("file", "link"):
        with pytest.raises(OutputError, match="is no folder"):
            write_folder(imported, tmp_path / name)
    with pytest.raises(OutputError, match="cannot be written"):
        write_folder(imported, tmp_path / "file" / "out")


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "out").mkdir()
    assert write_folder(read_source(FORMATS / "Fleiss1993.rm5"), tmp_path / "out").size == 12


def test_nothing_is_left_where_writing_fails(tmp_path, monkeypatch):
    imported = read_source(FORMATS / "Fleiss1993.rm5")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write.shutil, "move", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_folder(imported, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_that_does_not_read_back(tmp_path, monkeypatch):
    imported = read_source(FORMATS / "Fleiss1993.rm5")
    monkeypatch.setattr(
        write,
        "read_folder",
        lambda _: read_source(FORMATS / "Fleiss1993.rm5").evidence.select(study="CDP"),
    )
    with pytest.raises(EvidenceError, match="does not read back as it was written"):
        write_folder(imported, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_sources_that_cannot_be_imported_say_why(tmp_path):
    write_folder(read_source(FORMATS / "Fleiss1993.rm5"), tmp_path / "out")
    with pytest.raises(EvidenceError, match="is a data set already"):
        read_source(tmp_path / "out")
    with pytest.raises(EvidenceError, match="is no data package"):
        read_source(tmp_path)
    (tmp_path / "bad.csv").write_text("study,effect,se\nA,x,1\n")
    result = call("import", tmp_path / "bad.csv", "--to", tmp_path / "new", code=1)
    assert "row 2 (study='A'): effect must be a number; found 'x'" in result.stderr
    assert not (tmp_path / "new").exists()
