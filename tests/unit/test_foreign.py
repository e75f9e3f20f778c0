"""Terms and a prior that the package does not know walk through every verb, plot and report.

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
from bayesrtw.cli import main
from bayesrtw.errors import BayesrtwError
from bayesrtw.plot.forest import describe_forest
from bayesrtw.plot.prior_posterior import describe_prior_posterior
from bayesrtw.plot.tau import describe_tau
from bayesrtw.question.compare import compare, submodels
from bayesrtw.question.influence import influence
from bayesrtw.question.scaling import learned, power_scaling
from bayesrtw.question.tipping import tipping_prior, tipping_shift
from bayesrtw.report.document import document
from bayesrtw.report.record import record
from bayesrtw.report.render import render
from bayesrtw.report.text import show, show_panel


@pytest.fixture(scope="module", autouse=True)
def known():
    with foreign.known():
        yield


@pytest.fixture(scope="module")
def made(known):
    return brw.run(foreign.analysis(), foreign.rows())


@pytest.fixture(scope="module")
def panel(known):
    return brw.sensitivity(foreign.analysis(), foreign.rows())


@pytest.fixture(scope="module")
def written(made):
    return record(made)


def test_the_posterior_is_that_of_a_dense_grid(made):
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
    found = made.quantities["mean"]
    assert_allclose(found[["mu", "beta[saturation]"]], weight @ centre, atol=1e-6)
    assert_allclose(found["between"], weight @ sd, atol=1e-5)


def _verbs():
    model, rows = foreign.model(), foreign.rows()
    every = np.ones(rows.size, dtype=bool)
    split = brw.Interaction(
        "clinic", "design", values=("cohort",), name="cohort", main=brw.prior.Normal(0, 0.2)
    )
    wider = {"registered": foreign.Erlang(0.1), "wider": foreign.Erlang(0.3)}
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
        "ladder": lambda: brw.ladder(foreign.analysis(), rows, sampled=False),
    }


#: Verbs that refuse this model, each in a sentence that names the part in the way.
REFUSED: dict[str, str] = {}


@pytest.mark.parametrize("verb", sorted(_verbs()))
def test_a_verb_answers_or_names_what_is_in_the_way(verb):
    ask = _verbs()[verb]
    if verb in REFUSED:
        with pytest.raises(BayesrtwError, match=REFUSED[verb]):
            ask()
    else:
        assert ask() is not None


def test_verbs_answer_for_the_model_that_was_fitted(made):
    model, rows = foreign.model(), foreign.rows()
    own = made.quantities.loc["mu", ["mean", "sd"]].astype(float)
    whole = {
        "leave_one_out": brw.leave_one_out(model, rows).loc["none left out"],
        "prior_sensitivity": brw.prior_sensitivity(model, rows, {"own": foreign.Erlang(0.1)}).loc[
            "own"
        ],
        "cumulative": brw.cumulative(model, rows).iloc[-1],
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


def test_the_explorer_varies_the_sd_between_clinics(made):
    grid = explore(made)
    assert grid is not None
    assert len(grid.priors) > 1


@pytest.mark.parametrize("kind", ["html", "md", "docx", "json"])
def test_a_report_is_written(kind, made, written):
    assert len(render(made, written, kind)) > 1000


def test_a_report_names_what_it_has(made, written):
    page = render(made, written, "md").decode()
    for said in ("saturating", "clinics", "erlang", "between"):
        assert said in page
    assert written["explore"]["between"] == "τ (clinic)"
    shown = io.StringIO()
    show(made, document(made), Console(file=shown, width=160), notes=True)
    assert "SD, analysis scale" in shown.getvalue()


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
