"""Briefs: the shipped one against what was extracted, every fault, and claims held against rows.

Pooled effects are compared with a dense grid in NumPy that shares no code with the engine: mu integrated
in closed form, the two heterogeneity SDs on 400 x 400 midpoints up to where their priors leave 1e-10.
Midpoint sums of a smooth density on that grid are good to about 1e-5; 2e-4 is asked.
"""

import csv
import shutil
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.special import ndtr

import bayesrtw as brw
from bayesrtw.analysis import catalog
from bayesrtw.cli import main
from bayesrtw.errors import EvidenceError, SpecError
from bayesrtw.plot.claims import describe_claims, plot_claims

#: As extracted from the brief: claim, component, studies of the review cited, certainty.
EXTRACTED = {
    "b01": ("biopsychosocial_individualised", None, "moderate"),
    "b02": ("cultural_tailoring", None, "moderate"),
    "b03": ("multicomponent", None, "moderate"),
    "b04": ("target_disadvantage", None, "low"),
    "b05": ("multidisciplinary", None, "moderate"),
    "b06": ("coordinator", None, "low"),
    "b07": ("supported_employment", None, "low"),
    "b08": ("economic_evaluation", None, "moderate"),
    "b09": ("workplace_involvement", 95, "low"),
    "b10": ("multicomponent", 36, ""),
    "b11": ("multicomponent", 16, ""),
    "b12": ("multicomponent", 15, ""),
    "b13": ("graded_rtw", 42, "moderate"),
    "b14": ("work_focused_psych", 23, ""),
    "b15": ("work_focused_psych", 11, ""),
    "b16": ("multidisciplinary", 30, ""),
    "b17": ("coordinator", 14, ""),
    "b18": ("supported_employment", None, ""),
    "b19": ("workplace_involvement", 10, "low"),
    "b20": ("economic_evaluation", 10, ""),
}


@pytest.fixture(scope="module")
def brief():
    return brw.open_brief("evidence-brief")


@pytest.fixture(scope="module")
def table(brief):
    return brw.hold_against(brief, brw.open_analysis("time-to-rtw"))


def test_the_shipped_brief_holds_what_was_extracted(brief):
    found = {c.name: (c.component, c.studies, c.certainty) for c in brief.claims}
    assert found == EXTRACTED
    kinds = [claim.kind for claim in brief.claims]
    assert kinds == ["recommendation"] * 8 + ["finding"] * 12
    origin = brief.provenance
    assert origin.dataset == "evidence-brief"
    assert "inference" in " ".join(origin.limits)
    assert all((origin.title, origin.citation, origin.licence, origin.retrieved, origin.caveat))
    assert len(origin.sha256) == 64


def test_a_claim_about_any_condition_means_every_condition(brief):
    claims = {claim.name: claim for claim in brief.claims}
    assert brief.meant(claims["b03"]) == ()
    assert brief.meant(claims["b09"]) == ("mental", "msk")


def test_components_name_values_that_the_trials_have(brief):
    trials = brw.open_dataset("rtw-trials")
    for component in brief.components.values():
        for column, values in component.where.items():
            assert all(trials.matches(column, value).any() for value in values)


@pytest.fixture
def folder(tmp_path):
    copied = tmp_path / "evidence-brief"
    shutil.copytree(str(files("bayesrtw.data").joinpath("evidence-brief")), copied)
    about = copied / "brief.toml"
    text = about.read_text("utf-8")
    start = text.index("[files]")
    about.write_text(text[:start] + text[text.index("[[condition]]") :], "utf-8")
    return copied


def rewritten(path, *pairs):
    text = path.read_text("utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text, "utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("b05,recommendation,multidisciplinary", "b05,recommendation,multidisciplinari",
         "component is 'multidisciplinari' in row 6; did you mean 'multidisciplinary'?"),
        ("benefit,low,any,,key", "benefit,strong,any,,key",
         "certainty is 'strong' in row 7; Choices: high, low, moderate, very low. Leave it empty"),
        ("b09,finding", "b09,findings", "kind is 'findings' in row 10; did you mean 'finding'?"),
        (",95,benefit", ",ninety,benefit", "studies must be a number; found 'ninety'"),
        (",95,benefit", ",9.5,benefit", "studies is '9.5' in row 10; write a whole number"),
        (",95,benefit", ",-95,benefit", "studies is '-95' in row 10; write a whole number"),
        (",95,benefit", ",95,good", "direction is 'good' in row 10; Choices: benefit"),
        ("mental;msk,SBU", "mental;muscle,SBU", "condition 'muscle' in row 10 has no [[condition]]"),
        ("b10,finding", "b09,finding", "claim 'b09' in row 11 stands in row 10 already"),
        ("Evaluate the economic benefit across sectors", "", "says is empty in row 9"),
        ("certainty,condition", "grade,condition", "column 'certainty' is missing"),
    ],
)  # fmt: skip
def test_a_fault_of_a_claim_names_its_row(folder, old, new, message):
    rewritten(folder / "claims.csv", (old, new))
    with pytest.raises(EvidenceError) as caught:
        brw.open_brief(folder)
    assert message in str(caught.value)
    assert "evidence-brief/claims.csv: " in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("caveat =", "caveats =", "caveats is not known; did you mean 'caveat'?"),
        ("version = 2", 'version = "2"', "version must be a whole number; found '2'"),
        ("schema = 1", "schema = 2", "schema is 2; this version reads schema 1"),
        ('id = "evidence-brief"', 'id = "other"', "id is 'other'; the folder is called"),
        ("licence =", "license =", "source.license is not known; did you mean 'licence'?"),
        ('silent = "no costs are held here"', "", "component 'economic_evaluation' has neither"),
        ('where = { coordinator = ["yes"] }', 'where = { coordinator = "yes" }',
         "component[6].where.coordinator must be a list; found 'yes'"),
        ('members = ["smi"]', 'members = "smi"', "condition[3].members must be a list"),
        ('name = "coordinator"', 'name = "multicomponent"', "component 'multicomponent' stands twice"),
    ],
)  # fmt: skip
def test_a_fault_of_the_description_says_what_is_allowed(folder, old, new, message):
    rewritten(folder / "brief.toml", (old, new))
    with pytest.raises(EvidenceError) as caught:
        brw.open_brief(folder)
    assert message in str(caught.value)


def test_every_fault_comes_at_once(folder):
    rewritten(folder / "claims.csv", ("b09,finding", "b09,findings"), (",36,benefit", ",x,benefit"))
    with pytest.raises(EvidenceError, match=r"^2 faults:\n  1\. .*studies.*\n  2\. .*kind"):
        brw.open_brief(folder)


def test_a_changed_file_needs_a_new_version(tmp_path):
    copied = tmp_path / "evidence-brief"
    shutil.copytree(str(files("bayesrtw.data").joinpath("evidence-brief")), copied)
    rewritten(copied / "claims.csv", (",95,benefit", ",96,benefit"))
    with pytest.raises(EvidenceError, match=r"brief\.toml declares .* raise version"):
        brw.open_brief(copied)


def test_a_brief_is_not_pooled(folder):
    with pytest.raises(EvidenceError, match="is a brief: its claims are not pooled"):
        brw.open_dataset(folder)
    with pytest.raises(EvidenceError, match=r"'evidence-brief' is a brief: .* open_brief"):
        brw.open_dataset("evidence-brief")
    with pytest.raises(EvidenceError, match=r"no brief 'evidence-brif'.*did you mean"):
        brw.open_brief("evidence-brif")
    assert "evidence-brief" not in catalog.dataset_ids()


def test_check_reads_a_brief(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    ask = CliRunner().invoke
    assert ask(main, ["check", "evidence-brief"]).stdout == "ok: evidence-brief\n"
    rewritten(folder / "claims.csv", ("b09,finding", "b09,findings"))
    found = ask(main, ["check", "./evidence-brief"])
    assert found.exit_code == 1
    assert "kind is 'findings' in row 10" in found.stderr


def rows_of(keep):
    """Read effects of time to return straight from the files, by a condition on the study."""
    data = Path(str(files("bayesrtw.data"))) / "rtw-trials"
    lines = {
        name: (data / name).read_text("utf-8").splitlines()
        for name in ("studies.csv", "results.csv")
    }
    studies = {row["study"]: row for row in csv.DictReader(lines["studies.csv"])}
    rows = csv.DictReader(lines["results.csv"])
    return studies, [row for row in rows if keep(studies[row["study"]], row)]


def on_a_grid(effect, se):
    """Pool on a dense grid: mu ~ N(0, .5), tau_family ~ HN(.5), tau ~ HN(.25), one row a family."""
    family = (np.arange(400) + 0.5) * 3.3 / 400
    within = (np.arange(400) + 0.5) * 1.65 / 400
    between, inner = np.meshgrid(family, within, indexing="ij")
    variance = between[..., None] ** 2 + inner[..., None] ** 2 + se**2
    precision = 4.0 + (1 / variance).sum(-1)
    mean = (effect / variance).sum(-1) / precision
    log_weight = (
        -0.5 * (np.log(variance).sum(-1) + (effect**2 / variance).sum(-1))
        - 0.5 * np.log(precision)
        + 0.5 * mean**2 * precision
        - 0.5 * (between / 0.5) ** 2
        - 0.5 * (inner / 0.25) ** 2
    )
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    sd = 1 / np.sqrt(precision)
    new = np.sqrt(sd**2 + between**2 + inner**2)
    return {
        "probability": (weight * ndtr(mean / sd)).sum(),
        "opposite": (weight * ndtr(-mean / new)).sum(),
        "below": lambda x: (weight * ndtr((x - mean) / sd)).sum(),
        "below_new": lambda x: (weight * ndtr((x - mean) / new)).sum(),
    }


def test_a_claim_is_pooled_in_the_studies_that_have_its_component(table):
    def wanted(study, row):
        return (
            row["outcome"] == "time_to_rtw"
            and row["role"] == "primary"
            and study["design"] in ("rct", "cluster_rct")
            and study["condition"] in ("mental", "msk")
            and study["workplace_involvement"] in ("active", "contact")
        )

    studies, rows = rows_of(wanted)
    assert len({studies[row["study"]]["trial_family"] for row in rows}) == len(rows) == 8
    printed = np.array(
        [[float(row[name]) for name in ("estimate", "ci_low", "ci_high")] for row in rows]
    )
    effect, low, high = np.log(printed).T
    grid = on_a_grid(effect, (high - low) / (2 * 1.9599639845))
    found = table.loc["b09"]
    assert (found["studies"], found["estimates"]) == (8, 8)
    assert found["designs"] == "rct 6, cluster_rct 2"
    for name in ("probability", "opposite"):
        assert found[name] == pytest.approx(grid[name], abs=2e-4)
    for end, share in (("lower", 0.025), ("median", 0.5), ("upper", 0.975)):
        assert grid["below"](found[end]) == pytest.approx(share, abs=2e-4)
        assert grid["below_new"](found[f"new_{end}"]) == pytest.approx(share, abs=2e-4)


def test_each_recommendation_is_read_by_the_rule(table):
    assert dict(table["reading"].iloc[:8]) == {
        "b01": "silent",
        "b02": "silent",
        "b03": "cannot say",
        "b04": "silent",
        "b05": "cannot say",
        "b06": "cannot say",
        "b07": "silent",
        "b08": "silent",
    }
    # Four studies with probability .94 do not agree: the priors carry them.
    assert table.loc["b11", "probability"] > 0.9
    assert table.loc["b11", ["studies", "reading"]].to_list() == [4, "cannot say"]
    assert table.loc["b11", "why"] == "4 studies: the answer leans on the priors"
    silent = table[table["reading"] == "silent"]
    assert silent[["median", "probability", "new_lower"]].isna().all(axis=None)


def trials(effect, count=6, benefit="higher"):
    frame = pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(count + 1)],
            "outcome": "time_to_rtw",
            "design": ["rct"] * count + ["cohort"],
            "role": "primary",
            "trial_family": [f"s{place}" for place in range(count + 1)],
            "condition": ["msk"] * count + ["mental"],
            "coordinator": ["yes"] * (count - 1) + ["no", "yes"],
            "effect": effect,
            "se": 0.1,
        }
    )
    for name in ("multicomponent", "multidisciplinary", "graded_rtw", "work_focused_psych"):
        frame[name] = "no"
    frame[["programme_type", "workplace_involvement"]] = "none"
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit=benefit)


@pytest.mark.parametrize(
    ("effect", "reading"),
    [(0.5, "agrees"), (-0.5, "points the other way"), (0.0, "cannot say")],
)
def test_readings_follow_the_truth_of_the_rows(brief, effect, reading):
    analysis = brw.open_analysis("time-to-rtw")
    found = brw.hold_against(brief, analysis, trials(effect, count=7)).loc["b06"]
    assert found["reading"] == reading
    assert (found["studies"], found["without"]) == (6, 1)
    few = brw.hold_against(brief, analysis, trials(effect, count=5)).loc["b06"]
    assert few["reading"] == "cannot say"


def test_fewer_days_are_a_benefit(brief):
    analysis = brw.open_analysis("time-to-rtw")
    found = brw.hold_against(brief, analysis, trials(-0.5, count=7, benefit="lower")).loc["b06"]
    assert found["reading"] == "agrees"
    assert found["probability"] > 0.9


def test_what_every_programme_has_is_not_credited_with_its_effect(brief):
    found = brw.hold_against(brief, brw.open_analysis("ips-employment"))
    # Thirteen trials of supported employment, all with a coordinator and contact with employers.
    assert found.loc["b06", ["studies", "without"]].to_list() == [13, 0]
    assert found.loc["b06", "probability"] > 0.999
    assert set(found.loc[["b03", "b06", "b09", "b17", "b19"], "reading"]) == {"cannot say"}
    assert found.loc["b06", "why"].startswith("every row has it")
    anywhere = replace(brief, conditions={**brief.conditions, "smi": ()})
    asked = brw.hold_against(anywhere, brw.open_analysis("ips-employment")).loc["b07"]
    assert asked[["studies", "reading"]].to_list() == [13, "agrees"]


def test_evidence_without_the_column_of_a_component_is_named(brief):
    bare = trials(0.1)
    bare = brw.Evidence.from_frame(
        bare.data.to_dataframe().drop(columns=["coordinator", "measure"]),
        measure="log_hazard_ratio",
    )
    with pytest.raises(EvidenceError, match="no column 'coordinator'"):
        brw.hold_against(brief, brw.open_analysis("time-to-rtw"), bare)


def test_the_picture_keeps_a_row_for_claims_that_nothing_speaks_to(table):
    source = brw.open_dataset("rtw-trials").select(
        outcome="time_to_rtw", measure="log_hazard_ratio"
    )
    said = describe_claims(table.iloc[:8], source)
    assert "b01 Fitted to the person: silent; b02 Tailored to culture: silent;" in said
    assert "b06 Coordinator: cannot say, 1.11 (0.80 to 1.53)" in said
    texts = [
        text.get_text() for axes in plot_claims(table, source).figure.axes for text in axes.texts
    ]
    assert texts.count("silent") == 7
    assert texts.count("agrees") == 2
    with pytest.raises(SpecError, match="claims: columns 'reading' are missing"):
        plot_claims(table.drop(columns="reading"), source)


@pytest.mark.slow
def test_an_analysis_of_parts_is_asked_what_a_part_adds(brief):
    analysis = brw.open_analysis("time-to-rtw-components")
    found = brw.hold_against(brief, analysis)
    synthesis = brw.run(analysis)
    for claim, part in (("b06", "coordination"), ("b05", "multidisciplinary team")):
        row = synthesis.estimates.loc[part]
        ends = ["median", "lower", "upper", "probability"]
        assert found.loc[claim, ends].tolist() == pytest.approx(row[ends].tolist(), abs=1e-7)
        assert found.loc[claim, "reading"] == "cannot say"
    assert found.loc["b06", ["studies", "without"]].tolist() == [5, 16]
    # Having several parts is no part of its own: its pool has no sceptical prior to be held to.
    assert found.loc["b03", "why"] == "it is no part: an analysis of whole programmes can be asked"
    assert np.isnan(found.loc["b03", "median"])
    assert found.loc["b02", "reading"] == "silent"
    assert "agrees" not in set(found["reading"])


def test_a_part_that_most_rows_show_to_help_agrees(brief):
    count = 9
    frame = pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(count)],
            "effect": [0.5] * 7 + [0.0, 0.02],
            "se": [0.1] * count,
            "outcome": "time_to_rtw",
            "design": "rct",
            "role": "primary",
            "trial_family": "",
            "condition": "msk",
            "parts_t": ["coordination"] * 7 + ["exercise"] * 2,
            "parts_c": ["none"] * count,
            "parts_t_unclear": "none",
            "parts_c_unclear": "none",
            "multicomponent": "no",
        }
    )
    frame["trial_family"] = frame["study"]
    rows = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    analysis = brw.open_analysis("time-to-rtw-components")
    analysis = replace(analysis, evidence=replace(analysis.evidence, exclude=()))
    found = brw.hold_against(brief, analysis, rows)
    assert found.loc["b06", ["studies", "reading"]].tolist() == [7, "agrees"]
    assert found.loc["b05", ["studies", "reading"]].tolist() == [0, "silent"]
