"""Terms, a prior and a likelihood that the package does not know walk through every verb, plot and report.

Each answers for the model that was fitted, or refuses in one sentence; a KeyError fails here.
"""

import io
import json
from importlib import import_module
from pathlib import Path

import foreign
import matplotlib.pyplot as plt
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose
from rich.console import Console

import bayesrtw as brw
from bayesrtw.analysis.conclusion import Rules, sceptical_model
from bayesrtw.analysis.explore import explore
from bayesrtw.analysis.findings import findings as brw_findings
from bayesrtw.analysis.next_trial import next_trial
from bayesrtw.cli import main
from bayesrtw.decision.absolute import absolute_effects
from bayesrtw.decision.cost import net_benefit
from bayesrtw.decision.voi import value_of_knowing
from bayesrtw.decision.zones import zone_probabilities
from bayesrtw.errors import BayesrtwError
from bayesrtw.plot.forest import describe_forest
from bayesrtw.plot.prior_posterior import describe_prior_posterior
from bayesrtw.plot.tau import describe_tau
from bayesrtw.question.compare import compare, submodels
from bayesrtw.question.influence import influence
from bayesrtw.question.missing import missing_levels
from bayesrtw.question.scaling import learned, power_scaling
from bayesrtw.question.tipping import tipping_prior, tipping_shift
from bayesrtw.report.document import document
from bayesrtw.report.export import exported
from bayesrtw.report.findings import render_findings
from bayesrtw.report.record import record
from bayesrtw.report.render import render
from bayesrtw.report.text import show, show_panel


@pytest.fixture(scope="module", autouse=True)
def known():
    with foreign.known():
        yield


#: The normal likelihood, and one that the package does not know.
BOTH = [pytest.param(False, id="normal"), pytest.param(True, id="foreign likelihood")]


@pytest.fixture(scope="module", params=BOTH)
def made(known, request):
    return brw.run(foreign.analysis(heavy=request.param), foreign.rows())


@pytest.fixture(scope="module")
def panel(known):
    return brw.sensitivity(foreign.analysis(), foreign.rows())


@pytest.fixture(scope="module")
def plain(known):
    return brw.run(foreign.analysis(), foreign.rows())


@pytest.fixture(scope="module")
def written(plain):
    return record(plain)


def test_the_posterior_is_that_of_a_dense_grid(plain):
    """Grid of 2000 values of the SD, its spacing halved moves nothing by 1e-7."""
    rows = foreign.rows()
    effect, se, weeks = (rows.data[name].to_numpy() for name in ("effect", "se", "weeks"))
    moved = weeks / (weeks + 6.0)
    design = np.column_stack([np.ones(8), moved - moved.mean()])
    before, mean = np.diag([0.5**-2, 0.4**-2]), np.array([0.0, 0.1])
    sd = (np.arange(2000) + 0.5) / 1000
    log, centre = np.empty(2000), np.empty((2000, 2))
    for place, tau in enumerate(sd):
        total = np.diag(se**2 + tau**2) + design @ np.linalg.inv(before) @ design.T
        gap = effect - design @ mean
        log[place] = -0.5 * (np.linalg.slogdet(total)[1] + gap @ np.linalg.solve(total, gap))
        log[place] += np.log(tau) - tau / 0.1
        own = design.T / (se**2 + tau**2)
        centre[place] = np.linalg.solve(own @ design + before, own @ effect + before @ mean)
    weight = np.exp(log - log.max()) / np.exp(log - log.max()).sum()
    found = plain.quantities["mean"]
    assert_allclose(found[["mu", "beta[saturation]"]], weight @ centre, atol=1e-6)
    assert_allclose(found["between"], weight @ sd, atol=1e-5)


def _verbs(*, heavy: bool = False):
    model, rows, decision = foreign.model(heavy=heavy), foreign.rows(), foreign.DECISION
    analysis = foreign.analysis(heavy=heavy)
    every = np.ones(rows.size, dtype=bool)
    split = brw.Interaction(
        "clinic", "design", values=("cohort",), name="cohort", main=brw.prior.Normal(0, 0.2)
    )
    wider = {"registered": foreign.Erlang(0.1), "wider": foreign.Erlang(0.3)}
    baseline, stakes = decision.baseline, decision.stakes
    curve = brw.currencies.norwegian_cohort()
    return {
        "leave_one_out": lambda: brw.leave_one_out(model, rows),
        "cumulative": lambda: brw.cumulative(model, rows),
        "prior_sensitivity": lambda: brw.prior_sensitivity(model, rows, wider),
        "predictive_check": lambda: brw.predictive_check(model, rows),
        "influence": lambda: influence(model, rows),
        "outlook": lambda: brw.outlook(model, rows),
        "simulate": lambda: brw.simulate(model, rows, 10, seed=1),
        "calibrate": lambda: brw.judge([brw.calibrate(model, rows, replicates=20)]),
        "power_scaling": lambda: power_scaling(model, rows),
        "learned": lambda: learned(model, rows),
        "compare": lambda: compare(submodels(model), rows),
        "tipping_shift": lambda: tipping_shift(model, rows, {"all": every}),
        "tipping_prior": lambda: tipping_prior(model, rows, lambda up, down: str(up > down)),
        "within_between": lambda: brw.within_between(model, rows, split),
        "ladder": lambda: brw.ladder(analysis, rows, sampled=False),
        "classical": lambda: brw.classical(model, rows),
        "predict": lambda: brw.predict(model, rows),
        "predict at": lambda: brw.predict(model, rows, at={"weeks": 4.0}),
        "severity": lambda: brw.severity(model, rows, weights=(1.0, 0.5)),
        "missing_levels": lambda: missing_levels(model, rows),
        "currencies": lambda: brw.currencies.answers(model, rows, curve=curve, source="Norway"),
        "agreement": lambda: brw.currencies.agreement(model, rows),
        "parts": lambda: brw.network.parts(model, rows),
        "league": lambda: brw.network.league(model, rows),
        "absolute_effects": lambda: absolute_effects(model, rows, baseline=baseline),
        "zone_probabilities": lambda: zone_probabilities(
            model, rows, zones=decision.zones, baseline=baseline
        ),
        "net_benefit": lambda: net_benefit(model, rows, stakes=stakes, baseline=baseline),
        "value_of_knowing": lambda: value_of_knowing(model, rows, stakes=stakes, baseline=baseline),
        "next_trial": lambda: next_trial(model, rows, n=[200], stakes=stakes, baseline=baseline),
        "export": lambda: exported(brw.run(analysis, rows), "csv"),
    }


#: Verbs that refuse, each in a sentence that names the part in the way.
REFUSED = {
    "predict at": "'saturating' does not say what it is in a setting",
    "missing_levels": "no level of a moderator is missing",
    "agreement": "rows are not read in currencies",
    "parts": "not one of components",
    "league": "a network needs one term that says what arms consist of",
}
#: Those that the foreign likelihood alone stands in the way of.
HEAVY = {
    "simulate": "'rounded' is neither",
    "calibrate": "'rounded' is neither",
    "severity": "this likelihood is not normal",
    "export": "'rounded', which sees more than effects",
}


#: What takes more than three seconds with the foreign likelihood, whose neighbours are fitted one by one.
SLOW = (
    "cumulative", "influence", "ladder", "net_benefit", "next_trial", "outlook", "tipping_prior",
    "tipping_shift", "value_of_knowing", "within_between",
)  # fmt: skip


def _asked():
    for verb in sorted(_verbs()):
        yield pytest.param(verb, False, id=f"{verb}-normal")
        marks = pytest.mark.slow if verb in SLOW else ()
        yield pytest.param(verb, True, id=f"{verb}-foreign likelihood", marks=marks)


@pytest.mark.parametrize(("verb", "heavy"), list(_asked()))
def test_a_verb_answers_or_names_what_is_in_the_way(verb, heavy):
    ask, refused = _verbs(heavy=heavy)[verb], REFUSED | (HEAVY if heavy else {})
    if verb in refused:
        with pytest.raises(BayesrtwError, match=refused[verb]):
            ask()
    else:
        assert ask() is not None


@pytest.mark.parametrize(
    "heavy",
    [
        pytest.param(False, id="normal"),
        pytest.param(True, id="foreign likelihood", marks=pytest.mark.slow),
    ],
)
def test_verbs_answer_for_the_model_that_was_fitted(heavy):
    model, rows = foreign.model(heavy=heavy), foreign.rows()
    made = brw.run(foreign.analysis(heavy=heavy), rows)
    own = made.quantities.loc["mu", ["mean", "sd"]].astype(float)
    whole = {
        "leave_one_out": brw.leave_one_out(model, rows).loc["none left out"],
        "prior_sensitivity": brw.prior_sensitivity(model, rows, {"own": foreign.Erlang(0.1)}).loc[
            "own"
        ],
        "cumulative": brw.cumulative(model, rows).iloc[-1],
        "predict": brw.predict(model, rows).iloc[0],
    }
    for name, row in whole.items():
        assert_allclose(row[["mean", "sd"]].astype(float), own, rtol=1e-6, err_msg=name)
    assert list(submodels(model)) == ["no moderator", "saturation"]


def test_a_sceptical_prior_reaches_the_mean():
    changed = sceptical_model(foreign.model(), Rules(sceptical_sd=0.2))
    assert changed is not None
    assert changed.mean == brw.prior.Normal(0, 0.2)


def test_the_panel_varies_the_sd_between_clinics(panel):
    assert "registered" in panel.tables["Priors of heterogeneity"].index
    assert panel.notes == ()
    shown = io.StringIO()
    show_panel(panel, foreign.analysis(), Console(file=shown, width=200))
    assert "Priors of heterogeneity" in shown.getvalue()


def picture(kind, name):
    """Give a function of a picture."""
    return getattr(import_module(f"bayesrtw.plot.{kind}"), name)


#: What each kind of picture is drawn of, besides the synthesis.
PICTURES = {
    "forest": [()],
    "funnel": [()],
    "new_setting": [()],
    "tau": [()],
    "prior_posterior": [("mu",), ("between",), ("beta[saturation]",), ("theta_new",)],
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_is_drawn_and_described(kind, made):
    for given in PICTURES[kind]:
        for source in (made, made.posterior):
            assert picture(kind, f"plot_{kind}")(source, *given) is not None
            plt.close("all")
        assert picture(kind, f"describe_{kind}")(made, *given)


@pytest.mark.parametrize("kind", ["bubble", "categories"])
def test_a_picture_of_a_line_or_of_levels_names_the_moderator_that_is_neither(kind, made):
    for what in (f"plot_{kind}", f"describe_{kind}"):
        with pytest.raises(BayesrtwError, match="'weeks'"):
            picture(kind, what)(made, "weeks")


def test_tables_are_drawn(made, panel):
    tables = {
        "leave_one_out": panel.tables["Leaving out each study"],
        "cumulative": panel.tables["Cumulative by year"],
        "prior_panel": panel.tables["Priors of heterogeneity"],
        "specification_curve": panel,
    }
    for kind, table in tables.items():
        assert picture(kind, f"plot_{kind}")(table, made) is not None
        plt.close("all")
        assert picture(kind, f"describe_{kind}")(table, made)


def test_pictures_say_what_the_sd_is(made):
    assert "Heterogeneity τ (clinic), the SD of true effects" in " ".join(
        describe_forest(made).split()
    )
    assert describe_tau(made).startswith(
        "Posterior and prior density of heterogeneity. τ (clinic): "
    )


def test_the_average_of_models_is_drawn():
    found = compare(submodels(foreign.model()), foreign.rows()).posterior
    for kind in ("forest", "tau"):
        assert picture(kind, f"describe_{kind}")(found)
    assert describe_prior_posterior(found, "mu")


def test_the_explorer_varies_the_sd_between_clinics(plain):
    grid = explore(plain)
    assert grid is not None
    assert len(grid.priors) > 1


def test_findings_are_summarised(made):
    found = brw_findings([made])
    for kind in ("md", "html"):
        assert b"made up" in render_findings(found, kind)


@pytest.mark.parametrize("kind", ["html", "md", "docx", "json"])
def test_a_report_is_written(kind, plain, written):
    assert len(render(plain, written, kind)) > 1000


def test_a_report_names_what_it_has(plain, written):
    page = render(plain, written, "md").decode()
    for said in ("saturating", "clinics", "erlang", "between"):
        assert said in page
    assert written["explore"]["between"] == "τ (clinic)"
    shown = io.StringIO()
    show(plain, document(plain), Console(file=shown, width=160), notes=True)
    assert "SD, analysis scale" in shown.getvalue()


@pytest.mark.slow
def test_a_report_of_the_foreign_likelihood_is_written():
    """Its panel and grid are fitted one by one, which takes minutes."""
    made = brw.run(foreign.analysis(heavy=True), foreign.rows())
    written = record(made)
    for kind in ("html", "md", "docx", "json"):
        assert len(render(made, written, kind)) > 1000
    assert "rounded" in render(made, written, "md").decode()


TOML = """
schema = 1
id = "mine"
title = "Mine"
question = "Does it?"
seed = 7
revision = 1

[evidence]
dataset = "mine.csv"
measure = "log_hazard_ratio"

[[term]]
kind = "intercept"
prior = { kind = "normal", sd = 0.5 }

[[term]]
kind = "saturating"
dose = "weeks"
half = 6.0
slope = { kind = "normal", mean = 0.1, sd = 0.4 }

[[term]]
kind = "clinics"
of = "clinic"
sd = { kind = "erlang", scale = 0.1 }

[[estimand]]
name = "pooled"
of = "mu"

[[estimand]]
name = "SD"
of = "between"

[schedule]
every_days = 30
"""


def test_a_living_analysis_is_updated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(TOML)
    frame = foreign.rows().data.to_dataframe()[["study", "effect", "se", "weeks", "clinic"]]
    frame = frame.reset_index(drop=True).assign(measure="log_hazard_ratio")
    frame["result"] = [f"r{place}" for place in range(len(frame))]

    def update() -> dict:
        called = ["update", "mine.toml", "--json", "--no-report", "--store", "store"]
        found = CliRunner().invoke(main, called)
        assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
        return json.loads(found.stdout)["outcomes"][0]

    frame.iloc[:7].to_csv("mine.csv", index=False)
    assert update()["state"] == "first"
    frame.to_csv("mine.csv", index=False)
    assert update()["state"] in ("published", "stored", "run")
    said = CliRunner().invoke(main, ["diff", "mine", "--store", "store"])
    assert said.exit_code == 0, said.output
    assert Path("store").is_dir()
