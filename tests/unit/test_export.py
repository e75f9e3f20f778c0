"""What is exported reads back to the same evidence and pools to the same value.

Tolerance 1e-9 of the pooled value: digits are written in full, so only the order of sums differs.
"""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.cli import main
from bayesrtw.errors import SpecError
from bayesrtw.report.export import TARGETS, exported

FORMATS = Path(__file__).parents[1] / "formats"

COUNTS = """study,year,measure,events_t,n_t,events_c,n_c
"Aronson & Co",1948,OR,4,123,11,139
Ferguson,1949,OR,6,306,29,303
Rosenthal <1960>,1960,OR,3,231,11,220
Frimodt,1973,OR,62,13598,248,12867
"""
MEANS = """study,measure,mean_t,sd_t,n_t,mean_c,sd_c,n_c
A,SMD,5.0,4.7,13,6.5,3.8,13
B,SMD,4.9,1.71,30,6.1,2.3,50
C,SMD,22.5,3.44,35,24.9,10.65,35
"""
RATIOS = """study,reported,estimate,ci_low,ci_high,benefit
A,hazard_ratio,0.82,0.61,1.10,lower
B,hazard_ratio,0.9,0.7,1.157,lower
C,hazard_ratio,1.3,0.9,1.878,lower
"""
CORRELATIONS = "study,r,n\nA,0.2,40\nB,0.31,90\n"
TWICE = "study,measure,effect,se\nA,OR,0.2,0.1\nA,OR,0.3,0.1\nB,OR,0.1,0.2\n"


def pooled(text, folder):
    path = folder / "given.csv"
    path.write_text(text)
    evidence = brw.open_dataset(path)
    (analysis,) = default_analyses(evidence)
    return brw.run(analysis, evidence)


def written(synthesis, to, folder):
    (folder / to).mkdir()
    for name, content in exported(synthesis, to).items():
        (folder / to / name).write_bytes(content)
    (found,) = (path for path in (folder / to).iterdir() if path.suffix != ".R")
    return found


@pytest.mark.parametrize("to", TARGETS)
@pytest.mark.parametrize("text", [COUNTS, MEANS, RATIOS], ids=["counts", "means", "ratios"])
def test_what_is_exported_pools_to_the_same(tmp_path, text, to):
    synthesis = pooled(text, tmp_path)
    evidence = brw.open_dataset(written(synthesis, to, tmp_path))
    for name in ("effect", "se"):
        assert_allclose(evidence.data[name], synthesis.evidence.data[name], rtol=1e-14)
    assert set(evidence.data["measure"].to_numpy()) == {synthesis.evidence.measure.name}
    assert evidence.benefit == synthesis.evidence.benefit
    if to != "gradepro":
        assert list(evidence.data["study"]) == list(synthesis.evidence.data["study"])
    before = synthesis.posterior
    after = brw.fit(synthesis.analysis.model, evidence, seed=1)
    figures = ("mean", "sd", "lower", "upper")
    one, other = (brw.summarise(tree).loc["mu", list(figures)] for tree in (before, after))
    assert_allclose(one.astype(float), other.astype(float), rtol=1e-9)


def test_a_registered_analysis_gives_the_same_from_its_table(tmp_path):
    analysis = brw.open_analysis("time-to-rtw")
    synthesis = brw.run(analysis)
    again = brw.run(analysis, brw.open_dataset(written(synthesis, "csv", tmp_path)))
    for name in ("mean", "lower", "upper", "probability"):
        assert_allclose(again.estimates[name], synthesis.estimates[name], rtol=1e-9)


def test_names_and_cells_are_those_of_a_file_of_revman(tmp_path):
    """A real review, read and written: the same names of cells, the same counts under the same study."""
    evidence = brw.open_dataset(FORMATS / "Fleiss1993.rm5")
    theirs = ET.parse(FORMATS / "Fleiss1993.rm5").getroot()
    for analysis, tag in zip(default_analyses(evidence), ("DICH", "CONT"), strict=True):
        (content,) = exported(brw.run(analysis, evidence), "revman").values()
        ours = ET.fromstring(content)
        for element in (f"{tag}_OUTCOME", f"{tag}_DATA"):
            own, real = ours.findall(f".//{element}"), theirs.findall(f".//{element}")
            assert len(own) == len(real)
            assert own[0].attrib.keys() <= real[0].attrib.keys()
        names = [
            {each.get("ID"): each.get("NAME") for each in root.iter("STUDY")}
            for root in (ours, theirs)
        ]
        cells = [
            {
                known[row.get("STUDY_ID")]: [
                    float(row.get(cell))
                    for cell in sorted(row.keys())
                    if re.fullmatch("(EVENTS|TOTAL|MEAN|SD)_[12]", cell)
                    and (tag == "DICH" or "EVENTS" not in cell)
                ]
                for row in root.iter(f"{tag}_DATA")
            }
            for known, root in zip(names, (ours, theirs), strict=True)
        ]
        assert cells[0] == cells[1]


def test_gradepro_gets_names_without_signs(tmp_path):
    (content,) = exported(pooled(COUNTS, tmp_path), "gradepro").values()
    names = [each.get("NAME") for each in ET.fromstring(content).iter("STUDY")]
    assert names[0] == "Aronson and Co"
    assert not any(set("&<>") & set(name) for name in names)


def test_the_lines_of_r_repeat_levels_and_priors(tmp_path):
    said = exported(pooled(RATIOS, tmp_path), "metafor")
    (name,) = (name for name in said if name.endswith(".R"))
    lines = said[name].decode()
    assert "fit <- rma.mv(effect, V, random = list(~ 1 | estimate)" in lines
    assert "predict(fit, transf = exp" in lines
    assert "mu.prior = c(0, 0.5)" in lines
    three = exported(brw.run(brw.open_analysis("time-to-rtw")), "metafor")
    assert "random = list(~ 1 | trial_family, ~ 1 | estimate)" in three["time-to-rtw.R"].decode()
    assert 'paste("row", d$estimate), d$trial_family)' in three["time-to-rtw.R"].decode()
    assert b"not written" in three["time-to-rtw.R"]


def test_correlated_errors_stand_in_the_lines_of_r_alone(tmp_path):
    """Two programmes against one control group; R's matrix is the covariance of the evidence."""
    text = "study,label,measure,shared_control,events_t,n_t,events_c,n_c\n"
    text += "A,A1,OR,a-control,10,50,20,60\nA,A2,OR,a-control,15,55,20,60\n"
    text += "B,B1,OR,,12,40,15,40\nC,C1,OR,,9,40,15,40\n"
    synthesis = pooled(text, tmp_path)
    (block,) = synthesis.evidence.dependence
    assert_allclose(block.covariance[0, 1], 1 / 20 + 1 / 40)  # of the shared group's log odds
    files = exported(synthesis, "metafor")
    (lines,) = (content.decode() for name, content in files.items() if name.endswith(".R"))
    found = re.search(r"V\[c\((.*?)\), c\(.*?\)\] <- matrix\(c\((.*?)\), 2", lines)
    assert [int(row) - 1 for row in found[1].split(",")] == block.rows.tolist()
    assert np.array_equal([float(v) for v in found[2].split(",")], block.covariance.ravel())
    for to in ("csv", "revman", "gradepro"):
        with pytest.raises(SpecError, match=r"choose --to .*metafor"):
            exported(synthesis, to)


@pytest.mark.parametrize(
    ("text", "to", "said"),
    [
        (CORRELATIONS, "revman", "RevMan has no correlation; it has odds ratio"),
        (TWICE, "gradepro", "studies 'A' stand several times; choose --to csv or metafor"),
        (RATIOS, "stata", "--to is 'stata'; choose one of 'revman', 'gradepro', 'csv', 'metafor'"),
    ],
)
def test_what_cannot_be_expressed_is_refused(tmp_path, text, to, said):
    with pytest.raises(SpecError, match=re.escape(said)):
        exported(pooled(text, tmp_path), to)


def test_moderators_have_no_line_of_r():
    synthesis = brw.run(brw.open_analysis("time-to-rtw-moderators"))
    with pytest.raises(SpecError, match=r"its terms .* have no line of R here; choose --to csv"):
        exported(synthesis, "metafor")


def test_the_command_writes_files(tmp_path):
    done = CliRunner().invoke(
        main, ["export", "time-to-rtw", "--to", "metafor", "--out", str(tmp_path / "new")]
    )
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "time-to-rtw.csv",
        "time-to-rtw.R",
    }
    done = CliRunner().invoke(main, ["export", "time-to-rtw", "--to", "spss"])
    assert done.exit_code == 1
    assert "choose one of" in done.output
