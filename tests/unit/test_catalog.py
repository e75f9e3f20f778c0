"""What is shipped opens, says what it should, and agrees with what others computed from it.

Tolerances. `golden/rtw_trials_effects.csv` was computed by an independent program and rounded to six
decimals: half a unit of the last one, 5e-7, is the most that rounding can do. That program divided the
width of an interval by 3.92 (rows e200 on, and every interval of a mean) or by 3.919928 (rows before),
where this package divides by 2 x 1.9599639845 = 3.9199279691; its standard errors are brought to the
exact quantile by that known factor before they are compared, so nothing but rounding is left.
`golden/cancer_rtw_effects.csv` holds what a Cochrane review displays, six decimals again.
"""

import csv
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayesrtw.analysis import catalog
from bayesrtw.errors import EvidenceError, SpecError
from bayesrtw.evidence.convert import normal_quantile
from bayesrtw.evidence.groups import exact_j
from bayesrtw.evidence.measure import measure_named

GOLDEN = Path(__file__).parents[1] / "golden"
ROUNDED = 5.0001e-7
WIDTH = 2 * float(normal_quantile(0.95))

DATASETS = ("cancer-rtw", "published-pools", "rapid-rtw-cohort", "rtw-trials")
ANALYSES = (
    "at-work",
    "at-work-components",
    "cancer-rtw",
    "ips-employment",
    "sick-leave-days",
    "time-to-rtw",
    "time-to-rtw-all-designs",
    "time-to-rtw-all-designs-components",
    "time-to-rtw-components",
    "time-to-rtw-moderators",
)

#: Vogel 2017, CD011618.pub2: outcome, months, measure, estimate and interval as printed.
VOGEL = [
    ("time_to_rtw", 6, "log_hazard_ratio", 1.32, 0.93, 1.88),
    ("sick_leave_days", 6, "mean_difference", -16.18, -32.42, 0.06),
    ("at_work", 6, "log_risk_ratio", 1.06, 0.86, 1.30),
    ("ever_rtw", 6, "log_risk_ratio", 0.87, 0.63, 1.19),
    ("time_to_rtw", 12, "log_hazard_ratio", 1.25, 0.95, 1.66),
    ("sick_leave_days", 12, "mean_difference", -14.84, -38.56, 8.88),
    ("at_work", 12, "log_risk_ratio", 1.06, 0.99, 1.15),
    ("ever_rtw", 12, "log_risk_ratio", 1.03, 0.97, 1.09),
]


def golden(name):
    with (GOLDEN / name).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return {row["result"]: row for row in rows}


def columns(evidence, *names):
    return zip(*(evidence.data[name].to_numpy() for name in names), strict=True)


def test_the_catalogue_holds_what_the_project_ships():
    assert set(DATASETS) <= set(catalog.dataset_ids())
    assert set(ANALYSES) <= set(catalog.analysis_ids())


@pytest.mark.parametrize("name", catalog.dataset_ids())
def test_a_shipped_data_set_opens_with_its_source(name):
    found = catalog.open_dataset(name)
    origin = found.provenance
    assert origin.dataset == name
    assert origin.version >= 1
    assert len(origin.sha256) == 64
    assert all((origin.title, origin.citation, origin.licence, origin.retrieved))
    assert set(found.outcome_names) <= set(found.outcomes)
    assert len(set(found.data["estimate"].to_numpy())) == found.size


@pytest.mark.parametrize("name", catalog.analysis_ids())
def test_a_shipped_analysis_opens_and_is_registered(name):
    found = catalog.open_analysis(name)
    entry = catalog.register()[name]
    assert found.registered is not None
    assert found.rationale
    assert found.evidence.dataset in catalog.dataset_ids()
    assert entry == {
        "revision": found.revision,
        "registered": found.registered,
        "digest": found.digest,
    }


def test_the_register_is_what_the_analyses_say():
    assert catalog.registration_faults() == []
    lock = catalog.models_folder().joinpath("register.lock").read_text(encoding="utf-8")
    assert lock == catalog.register_text()


@pytest.fixture
def models(tmp_path, monkeypatch):
    folder = tmp_path / "models"
    shutil.copytree(str(catalog.models_folder()), folder)
    monkeypatch.setattr(catalog, "models_folder", lambda: folder)
    return folder


def test_a_changed_analysis_needs_a_higher_revision(models):
    path = models / "at-work.toml"
    path.write_text(path.read_text().replace("sd = 0.5", "sd = 0.6", 1))
    (fault,) = catalog.registration_faults()
    assert fault.startswith(
        "models/at-work.toml: its digest differs from the registered one; raise"
    )
    revised = path.read_text()
    revision = catalog.open_analysis("at-work").revision
    path.write_text(revised.replace(f"revision = {revision}", f"revision = {revision + 1}"))
    (fault,) = catalog.registration_faults()
    assert fault == (
        "models/at-work.toml: its revision is new; register it (bayesrtw check --register)."
    )
    (models / "register.lock").write_text(catalog.register_text())
    assert catalog.registration_faults() == []


def test_an_analysis_that_is_new_or_gone_is_named(models):
    (models / "at-work.toml").rename(models / "work.toml")
    path = models / "work.toml"
    path.write_text(path.read_text().replace('id = "at-work"', 'id = "work"'))
    assert catalog.registration_faults() == [
        "models/work.toml: is not in register.lock; register it.",
        "models/at-work.toml: is registered and missing.",
    ]


def test_a_name_that_is_not_in_the_catalogue_suggests_one(tmp_path):
    with pytest.raises(SpecError, match="no analysis 'time-to-rt'; did you mean 'time-to-rtw'"):
        catalog.open_analysis("time-to-rt")
    with pytest.raises(
        EvidenceError, match="no data set 'rtw-trial', and no such file or folder; di"
    ):
        catalog.open_dataset("rtw-trial")
    with pytest.raises(
        SpecError, match=r"none\.toml: cannot be read \(No such file or directory\)"
    ):
        catalog.open_analysis(tmp_path / "none.toml")


def test_a_name_that_is_too_long_for_a_file_is_refused():
    with pytest.raises(EvidenceError, match=r"^'x{80}' cannot be read \(File name too long\)\.$"):
        catalog.open_dataset("x" * 300)


def test_an_analysis_is_called_as_its_file(tmp_path):
    path = tmp_path / "other.toml"
    text = catalog.models_folder().joinpath("at-work.toml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(
        SpecError, match="id is 'at-work'; the file's stem is 'other'; make them eq"
    ):
        catalog.open_analysis(path)


def test_an_analysis_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b'id = "\xff"')
    with pytest.raises(SpecError, match=r"mine\.toml: must be UTF-8 text; byte 6 is not"):
        catalog.open_analysis(path)


def test_the_trials_are_138_studies_with_259_results():
    found = catalog.open_dataset("rtw-trials")
    assert found.provenance.studies == 138
    assert found.size == 259
    assert found.provenance.caveat
    folder = catalog._data().joinpath("rtw-trials")
    rows = list(csv.DictReader(folder.joinpath("studies.csv").read_text("utf-8").splitlines()))
    design = Counter(row["design"] for row in rows)
    assert design["rct"] + design["cluster_rct"] == 115
    assert design["non_randomised"] + design["cohort"] == 23


def test_every_non_randomised_result_says_what_it_was_adjusted_for():
    found = catalog.open_dataset("rtw-trials").data
    loose = np.isin(found["design"].to_numpy(), ["non_randomised", "cohort"])
    said = found["adjusted_for"].to_numpy()
    assert loose.sum() == 65
    assert all(said[loose])
    assert Counter(said[~loose]) == {"": 193, "age_sex": 1}
    # Skarpaas 2019: crude, adjusted without and with programme type (BMJ Open 9(2):e024597).
    own = found["study"].to_numpy() == "skarpaas2019"
    ratios = np.round(np.exp(found["effect"].to_numpy()), 4)[own]
    of = dict(zip(ratios, said[own], strict=True))
    assert (of[0.70], of[0.72], of[0.75]) == ("none", "not_stated", "programme_type;not_stated")


def test_programme_types_of_the_norwegian_cohort_differ_fourfold_in_time():
    found = catalog.open_dataset("rapid-rtw-cohort")
    rows = found.select(outcome="median_days_to_first_rtw").data
    of_type = ["vs medical" in each for each in rows["contrast"].to_numpy()]
    medians = np.r_[rows["median_t"].to_numpy()[of_type], rows["median_c"].to_numpy()[of_type]]
    assert sorted(set(medians)) == [55, 109, 238]
    assert all(found.data["locator"].to_numpy())


def test_the_eight_pools_of_vogel_2017_are_as_printed():
    found = catalog.open_dataset("published-pools").select(study="vogel2017")
    names = ("outcome", "follow_up_months", "measure", "estimate_printed", "ci_low", "ci_high")
    assert [tuple(row) for row in columns(found, *names)] == VOGEL
    for row, effect, se in zip(
        VOGEL, *(found.data[n].to_numpy() for n in ("effect", "se")), strict=True
    ):
        measure = measure_named(row[2])
        assert_allclose(effect, measure.forward(row[3]), rtol=1e-15)
        assert_allclose(se, (measure.forward(row[5]) - measure.forward(row[4])) / WIDTH, rtol=1e-14)


def test_effects_of_the_trials_agree_with_an_independent_program():
    expected = golden("rtw_trials_effects.csv")
    evidence = catalog.open_dataset("rtw-trials")
    seen, extra = set(), {}
    names = ("result", "measure", "effect", "se", "conversion")
    for result, measure, effect, se, conversion in columns(evidence, *names):
        if not np.isfinite(effect) or not np.isfinite(se):
            assert result not in expected
            continue
        if result not in expected:
            extra[result] = conversion
            continue
        row = expected[result]
        seen.add(result)
        rough = row["basis"] == "means_interval" or (
            row["basis"] == "interval" and result >= "e200"
        )
        used = 3.92 if rough else 3.919928 if "interval" in row["basis"] else WIDTH
        assert measure == row["measure"], result
        assert_allclose(effect, float(row["effect"]), rtol=0, atol=ROUNDED, err_msg=result)
        # a rounded standard error times the factor: its rounding is stretched with it
        wanted = float(row["se"]) * used / WIDTH
        assert_allclose(se, wanted, rtol=0, atol=ROUNDED * used / WIDTH, err_msg=result)
    assert seen == set(expected)
    # the other program took no p value where no interval is printed, unless it had to, and no percentage
    taken = ("p value", "percentages of whole numbers")
    assert all(any(how in said for how in taken) for said in extra.values()), extra


def test_effects_of_the_cancer_review_are_what_it_displays():
    expected = golden("cancer_rtw_effects.csv")
    evidence = catalog.open_dataset("cancer-rtw")
    assert evidence.size == len(expected) == 26
    z = WIDTH / 2
    names = ("result", "measure", "effect", "se", "n_t", "n_c")
    for result, name, ours, se, n_t, n_c in columns(evidence, *names):
        measure = measure_named(name)
        # the review takes Hedges' approximation of J
        smd = name == "standardised_mean_difference"
        total = n_t + n_c if smd else 99
        effect = ours * ((1 - 3 / (4 * total - 9)) / exact_j(total - 2) if smd else 1)
        found = measure.back(np.array([effect, effect - z * se, effect + z * se]))
        shown = [float(expected[result][key]) for key in ("estimate", "ci_low", "ci_high")]
        assert_allclose(found, shown, rtol=0, atol=ROUNDED, err_msg=result)
