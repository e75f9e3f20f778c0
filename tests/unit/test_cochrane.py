"""Cochrane data packages: settings decide what rows mean, and nothing leaves or fills the machine."""

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bayesrtw.analysis.catalog import open_dataset
from bayesrtw.doubt.inspect import inspect
from bayesrtw.errors import EvidenceError
from bayesrtw.reading import cochrane
from bayesrtw.reading.cochrane import is_package, kind_of, read_package
from bayesrtw.reading.revman import read_revman

FORMATS = Path(__file__).parent.parent / "formats"
PACKAGE = FORMATS / "cochrane-data-package.zip"

ROWS = (
    "Analysis group,Analysis number,Analysis name,Subgroup,Applicability,Study,Study year,GIV Mean,GIV SE,"
    "Experimental mean,Experimental SD,Experimental cases,Experimental N,Control mean,Control SD,"
    "Control cases,Control N,O-E,Variance,Weight,Mean,CI start,CI end,Footnotes"
)
SETTINGS = (
    "Analysis group,Analysis number,Analysis name,Analysis group name,Data type,Log-scale data,"
    "Statistical method,Effect measure,Unit of effect measure,Overall estimates,Swap event and non-event"
)
COUNTS = (
    "1,1,Work,,SUBGROUP_AND_OVERALL,A 2001,2001,0,0,0,0,3,10,0,0,2,10,0,0,50,1.5,0.3,7,See p. 3"
)
RISK = "1,1,Work,Work at all,Dichotomous,true,MH,Risk Ratio,,true,false"


def package(tmp_path, rows=(COUNTS,), settings=(RISK,), head=ROWS):
    folder = tmp_path / "CD1" / "CD1-analysis-data"
    folder.mkdir(parents=True)
    (folder / "CD1-data-rows.csv").write_text("\n".join([head, *rows]) + "\n", "utf-8-sig")
    name = "CD1-overall-estimates-and-settings.csv"
    (folder / name).write_text("\n".join([SETTINGS, *settings]) + "\n", "utf-8-sig")
    return folder.parent


def zipped(tmp_path, members):
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def column(evidence, name):
    return evidence.data[name].to_numpy().tolist()


def causes(evidence):
    return [cause.split(" [")[0] for cause in column(evidence, "quarantined")]


def test_a_package_gives_the_effects_of_the_same_review_in_revman_5():
    package, revman = (
        read_package(PACKAGE).evidence,
        read_revman(FORMATS / "Fleiss1993.rm5").evidence,
    )
    for outcome in revman.outcome_names:
        found, wanted = (
            dict(
                zip(
                    column(rows, "study"),
                    zip(column(rows, "effect"), column(rows, "se"), strict=True),
                    strict=True,
                )
            )
            for rows in (each.select(outcome=outcome) for each in (package, revman))
        )
        assert found == wanted


def test_zip_and_folder_read_alike(tmp_path):
    with zipfile.ZipFile(PACKAGE) as archive:
        archive.extractall(tmp_path / "review")
    assert is_package(tmp_path / "review")
    assert open_dataset(tmp_path / "review").digest() == open_dataset(PACKAGE).digest()


def test_study_information_and_judgements_come_along():
    imported = read_package(PACKAGE)
    assert column(imported.evidence, "year")[:2] == [1980.0, 1976.0]
    assert set(column(imported.evidence, "data_source")) == {"PUB"}
    assert imported.evidence.judgements.of("AMIS")[0].judgement == "Not applicable"


def test_no_direction_of_benefit_is_assumed(tmp_path):
    evidence = read_package(package(tmp_path)).evidence
    assert evidence.benefit == ""
    assert evidence.provenance.limits[1].startswith(
        "No direction of benefit was stated for 1 analyses: nothing is called a benefit there; state it"
    )
    assert read_package(tmp_path / "CD1", benefit="lower").evidence.benefit == "lower"


def test_each_kind_of_data_is_read_by_its_settings(tmp_path):
    rows = [
        "1,1,M,,,A,,0,0,5,2,0,10,6,3,0,12,0,0,9,-1,-3,1,",
        "1,2,S,,,A,,0,0,5,2,0,10,6,3,0,12,0,0,9,0,0,0,",
        "1,3,H,,,A,,-0.2,0.1,0,0,0,10,0,0,0,12,0,0,9,0.818731,0.67,1,",
        "1,4,R,,,A,,4,2,0,0,0,10,0,0,0,12,0,0,9,4,0,8,",
        "1,5,O,,,A,,0,0,0,0,3,10,0,0,4,12,-1.5,3,9,0.606531,0.2,2,",
        "1,6,P,,,A,,0,0,0,0,1,28,0,0,1,28,0,0,9,1,0.06,16.4,",
        "1,7,D,,,A,,0,0,0,0,0,20,0,0,0,20,0,0,9,0,-0.09,0.09,",
        "1,8,X,,,A,,-0.2,0.1,0,0,0,10,0,0,0,12,0,0,9,0.818731,0.67,1,",
    ]
    settings = [
        "1,1,M,,Continuous,false,IV,Mean Difference,days,true,false",
        "1,2,S,,Continuous,false,IV,Standardized Mean Difference,,true,false",
        "1,3,H,,Contrast level,true,IV,Hazard Ratio,,true,false",
        "1,4,R,,Inverse Variance,false,IV,Mean change,points,false,false",
        "1,5,O,,O-E and Variance,true,EXP_O_E_VAR,Hazard Ratio,,true,false",
        "1,6,P,,Dichotomous,true,PETO,Peto Odds Ratio,,true,false",
        "1,7,D,,Dichotomous,false,MH,Risk Difference,,true,false",
        "1,8,X,,Contrast level,true,IV,Odds of bliss,,true,false",
    ]
    evidence = read_package(package(tmp_path, rows, settings)).evidence
    assert column(evidence, "measure") == [
        "mean_difference",
        "standardised_mean_difference",
        "log_hazard_ratio",
        "generic",
        "log_hazard_ratio",
        "log_peto_odds_ratio",
        "risk_difference",
        "generic",
    ]
    effect = column(evidence, "effect")
    np.testing.assert_allclose(effect[:1] + effect[2:], [-1, -0.2, 4, -0.5, 0, 0, -0.2], atol=1e-12)
    assert evidence.outcomes["1.1 M"].unit == "days"
    assert (
        "logarithm of a ratio whose measure the file does not name" in column(evidence, "note")[7]
    )
    assert "quarantined" not in evidence.data
    assert evidence.provenance.disagreements == ()


def test_rows_that_the_review_does_not_pool_are_not_used(tmp_path):
    rows = [COUNTS, COUNTS.replace("SUBGROUP_AND_OVERALL", "SUBGROUP").replace("A 2001", "B")]
    evidence = read_package(package(tmp_path, rows)).evidence
    assert causes(evidence) == ["", "the review leaves the row out of its overall result"]


def test_check_reads_a_review_and_notes_what_cannot_be_pooled(tmp_path):
    rows = [COUNTS, COUNTS.replace("SUBGROUP_AND_OVERALL", "SUBGROUP").replace("A 2001", "B")]
    (note,) = [d for d in inspect(package(tmp_path, rows)).doubts if d.rule == "not-pooled"]
    assert note.severity == "note"
    assert "not used (1), the review leaves the row out of its overall result: B" in note.message
    assert {d.severity for d in inspect(PACKAGE).doubts} == {"doubt", "note"}
    assert inspect(PACKAGE).evidence.size == read_package(PACKAGE).evidence.size


def test_check_names_a_package_that_cannot_be_read(tmp_path):
    path = tmp_path / "broken.zip"
    path.write_bytes(PACKAGE.read_bytes()[:200])
    (fault,) = inspect(path).doubts
    assert (fault.severity, fault.file) == ("fault", "broken.zip")
    assert "is no readable zip file" in fault.message


def test_rows_without_settings_have_no_measure(tmp_path):
    rows = [COUNTS, COUNTS.replace("1,1,", "9,9,", 1)]
    assert (
        causes(read_package(package(tmp_path, rows)).evidence)[1]
        == "the effect measure is not known"
    )


def test_footnotes_and_places_are_kept(tmp_path):
    evidence = read_package(package(tmp_path)).evidence
    assert column(evidence, "note") == ["See p. 3"]
    assert column(evidence, "locator") == ["Analysis 1.1, row 2 of the data rows"]
    assert column(evidence, "conversion") == ["log risk ratio from counts"]


def test_missing_columns_and_files_are_named(tmp_path):
    folder = package(tmp_path, head=ROWS.replace("Control N", "Control n"))
    with pytest.raises(
        EvidenceError, match="column 'Control N' is missing; did you mean 'Control n'"
    ):
        read_package(folder)
    next(folder.rglob("*-settings.csv")).unlink()
    with pytest.raises(
        EvidenceError, match=r"no file ends in -overall-estimates-and-settings\.csv"
    ):
        read_package(folder)


def test_packages_of_two_reviews_are_not_mixed(tmp_path):
    folder = package(tmp_path)
    shutil.copytree(folder / "CD1-analysis-data", folder / "CD2-analysis-data")
    with pytest.raises(
        EvidenceError, match=r"2 files end in -data-rows\.csv .* one review at a time"
    ):
        read_package(folder)


def test_links_out_of_a_folder_are_not_followed(tmp_path):
    outside = package(tmp_path / "outside")
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "x-data-rows.csv").symlink_to(next(outside.rglob("*-data-rows.csv")))
    assert not is_package(folder)


@pytest.mark.parametrize(
    "name", ["../evil.csv", "/evil.csv", "a/../../evil.csv", "C:\\evil.csv", "..\\e"]
)
def test_members_that_lead_out_are_refused(tmp_path, name):
    path = zipped(tmp_path, [(name, b"x"), ("a-data-rows.csv", ROWS)])
    with pytest.raises(EvidenceError, match="lead out of the archive; do not use this file"):
        read_package(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["p.zip"]


def test_bombs_are_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(cochrane, "MOST_BYTES", 1_000_000)
    path = zipped(tmp_path, [("a-data-rows.csv", bytes(2_000_000)), ("a-settings.csv", b"")])
    with pytest.raises(EvidenceError, match="holds 2 MB; at most 1 MB are read"):
        read_package(path)
    # A header that lies about the size does not help it.
    raw = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        start = raw.find(mark)
        raw[start + place : start + place + 4] = (10).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(EvidenceError, match=r"is no readable zip file|holds more than"):
        read_package(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_damaged_zips_are_named(tmp_path):
    raw = PACKAGE.read_bytes()
    path = tmp_path / "p.zip"
    for content, message in (
        (raw[: len(raw) // 2], "is no readable zip file"),
        (b"", "is no readable zip file"),
        (raw.replace(b"PK\x01\x02\x14\x00\x14\x00\x08", b"PK\x01\x02\x14\x00\x14\x00\x09"), ""),
    ):
        path.write_bytes(content)
        if message or content != raw:
            with pytest.raises(EvidenceError, match=message):
                read_package(path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a-data-rows.csv", ROWS)
        archive.writestr("a-data-rows.csv", ROWS)
    path.write_bytes(buffer.getvalue())
    with pytest.raises(EvidenceError, match="stand twice"):
        read_package(path)


@pytest.mark.parametrize(
    ("words", "method", "kind"),
    [
        ("Dichotomous", "MH", "dichotomous"),
        ("CONTINUOUS", "IV", "continuous"),
        ("Generic inverse variance", "", "contrast"),
        ("O-E and variance", "", "o_minus_e"),
        ("", "EXP_O_E_VAR", "o_minus_e"),
        ("Other data", "", "other"),
    ],
)
def test_types_of_data(words, method, kind):
    assert kind_of(words, method) == kind
