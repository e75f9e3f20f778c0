"""Pictures at image level: texts stay apart, marks stand at the numbers of their tables."""

import datetime as dt
import math
from dataclasses import replace
from functools import cache
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.errors import SpecError
from bayesrtw.evidence.quality import Judgement, Judgements, listed
from bayesrtw.plot.acceptability import plot_acceptability
from bayesrtw.plot.bias_summary import plot_bias_summary
from bayesrtw.plot.calibration import plot_calibration
from bayesrtw.plot.categories import plot_categories
from bayesrtw.plot.cumulative import plot_cumulative
from bayesrtw.plot.density import posterior_curve, prior_of, quantity_named
from bayesrtw.plot.figure import BLUE, INK, SKY, VERMILLION, YELLOW, write_figure
from bayesrtw.plot.funnel import ESTIMATES, WIDENED, plot_funnel
from bayesrtw.plot.history import plot_history
from bayesrtw.plot.judgement import MARKS
from bayesrtw.plot.ladder import plot_ladder
from bayesrtw.plot.leave_one_out import plot_leave_one_out
from bayesrtw.plot.marks import RESULT_DOTS
from bayesrtw.plot.new_setting import plot_new_setting
from bayesrtw.plot.prior_panel import plot_prior_panel
from bayesrtw.plot.prior_posterior import plot_prior_posterior
from bayesrtw.plot.specification_curve import MEDIANS, plot_specification_curve
from bayesrtw.plot.tau import plot_tau
from bayesrtw.plot.tipping import crossings, plot_tipping
from bayesrtw.plot.traffic_light import plot_traffic_light
from bayesrtw.plot.trial_sizes import plot_trial_sizes
from bayesrtw.plot.zones import plot_zones
from bayesrtw.question.calibrate import Calibration
from bayesrtw.question.sensitivity import cumulative, leave_one_out, prior_sensitivity

LONG = "Þórður Ægisson–Müller, Gülşen Öztürk και η Ελληνική ομάδα: work-focused rehabilitation"
HOSTILE = ("<script>x</script>", "A & B $x_1$", "q\"uo'te --> ]]>", "\u202e=cmd()\u202c", LONG)
MODEL = brw.Model(
    terms=(
        brw.Intercept(brw.prior.Normal(0, 0.5)),
        brw.Linear("year", brw.prior.Normal(0, 0.05)),
        brw.Categorical("setting", brw.prior.Normal(0, 0.25)),
        brw.Exchangeable(brw.prior.HalfNormal(0.3)),
    )
)


def evidence_of(count):
    random = np.random.default_rng(count)
    frame = pd.DataFrame(
        {
            "study": [
                f"{HOSTILE[i % 5]} {i}" if i % 3 == 2 else f"Study {i}" for i in range(count)
            ],
            "effect": 0.15 + random.normal(0, 0.3, count),
            "se": random.uniform(0.06, 0.4, count),
            "year": [1990.0 + i % 30 for i in range(count)],
            "setting": [("clinic", "workplace", "insurer $y$ <b>")[i % 3] for i in range(count)],
            "events_t": random.integers(20, 90, count).astype(float),
            "n_t": np.full(count, 100.0),
            "events_c": random.integers(20, 90, count).astype(float),
            "n_c": np.full(count, 1000.0),
        }
    )
    evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    domains = listed("RoB 2", "2019").domains
    rows = (
        Judgement(study, "RoB 2", "2019", domain, words[random.integers(0, 3)])
        for study in evidence.data["study"].to_numpy()
        for domain, words in domains.items()
    )
    return replace(evidence, judgements=Judgements(tuple(rows)))


@pytest.fixture(scope="module")
def made():
    found = {}
    for count in (3, 60):
        evidence = evidence_of(count)
        tree = brw.fit(MODEL, evidence, engine=brw.Exact(draws=0))
        priors = {
            name: brw.prior.HalfNormal(0.1 + i) for i, name in enumerate(("registered", LONG))
        }
        found[count] = {
            "evidence": evidence,
            "tree": tree,
            "out": leave_one_out(MODEL, evidence),
            "priors": prior_sensitivity(MODEL, evidence, priors),
            "cumulative": cumulative(MODEL, evidence),
        }
    return found


def runs(count):
    random = np.random.default_rng(count)
    median = random.normal(0.1, 0.1, count)
    half = np.linspace(0.4, 0.2, count)
    days = [dt.date(2023, 1, 15) + dt.timedelta(days=30 * i) for i in range(count)]
    return pd.DataFrame(
        {
            "date": days,
            "median": median,
            "lower": median - half,
            "upper": median + half,
            "probability": np.clip(0.5 + median, 0, 1),
            "class": ["unclear", "probably a benefit", "$other$ <b>"][:3] * (count // 3),
            "studies": np.arange(count) + 3,
            "rung": [f"{HOSTILE[i % 5]} {i}" for i in range(count)],
            "registered": [i % 2 == 0 for i in range(count)],
            "choice": [HOSTILE[i % 5] for i in range(count)],
        }
    )


def curves():
    x = np.linspace(-0.3, 0.2, 11)
    parts = [
        pd.DataFrame({"x": x, "probability": 0.5 + x + shift, "design": name})
        for name, shift in (("trials $x$", 0.1), (LONG, 0.2))
    ]
    return pd.concat(parts, ignore_index=True)


def acceptable():
    index = pd.MultiIndex.from_product(
        [[0.0, 90.0, 400.0], ["$x$ <b>", LONG]], names=["day", "option"]
    )
    return pd.DataFrame(
        {"best": [0.9, 0.1, 0.5, 0.5, 0.2, 0.8], "frontier": [1, 0, 0, 1, 0, 1]}, index
    )


def sizes():
    held = {"n": [100.0, 400.0], "people": [2e6, 3e9], "net": [-1e6, 2e9], "cost": [3e6, 1e9]}
    return pd.DataFrame(held | {"person": [1.0, 2.0], "change": [0.1, 0.2]}, index=["$x$", LONG])


def zoned():
    names = ["large harm", "moderate harm", "small harm", "trivial", "small benefit", "moderate benefit",
             "large benefit"]  # fmt: skip
    shares = [[0.0, 0.01, 0.04, 0.15, 0.2, 0.3, 0.3], [0.1, 0.1, 0.1, 0.2, 0.1, 0.1, 0.3]]
    rows = pd.DataFrame(shares, index=["mean effect", LONG], columns=names)
    return rows.assign(matters=0.8, harms=0.05)


PLOTS = {
    "trial_sizes": lambda it, w: plot_trial_sizes(sizes(), it["tree"], currency="$", width_mm=w),
    "zones": lambda it, w: plot_zones(
        zoned(), it["tree"], thresholds="small from 20 of 1000", width_mm=w
    ),
    "acceptability": lambda it, w: plot_acceptability(
        acceptable(), it["tree"], currency="$", width_mm=w
    ),
    "forest": lambda it, w: brw.plot_forest(
        it["tree"], evidence=it["evidence"], counts=True, judged_by="", width_mm=w
    ),
    "funnel": lambda it, w: plot_funnel(it["tree"], width_mm=w),
    "bubble": lambda it, w: brw.plot_bubble(
        it["tree"], "year", evidence=it["evidence"], width_mm=w
    ),
    "categories": lambda it, w: plot_categories(it["tree"], "setting", width_mm=w),
    "prior_posterior": lambda it, w: plot_prior_posterior(it["tree"], width_mm=w),
    "tau": lambda it, w: plot_tau(it["tree"], width_mm=w),
    "new_setting": lambda it, w: plot_new_setting(it["tree"], width_mm=w),
    "leave_one_out": lambda it, w: plot_leave_one_out(it["out"], it["evidence"], width_mm=w),
    "cumulative": lambda it, w: plot_cumulative(it["cumulative"], it["tree"], width_mm=w),
    "prior_panel": lambda it, w: plot_prior_panel(it["priors"], it["tree"], width_mm=w),
    "ladder": lambda it, w: plot_ladder(runs(6), it["tree"], width_mm=w),
    "traffic_light": lambda it, w: plot_traffic_light(it["evidence"], width_mm=w),
    "bias_summary": lambda it, w: plot_bias_summary(it["evidence"], width_mm=w),
    "history": lambda it, w: plot_history(runs(it["evidence"].size), it["tree"], width_mm=w),
    "league": lambda it, w: of_network(brw.network.league, it, w),
    "ranks": lambda it, w: of_network(brw.network.ranks, it, w),
    "splits": lambda it, w: of_network(brw.network.splits, it, w),
    "network": lambda it, w: of_network(brw.network.graph, it, w),
    "tipping": lambda it, w: plot_tipping(curves(), it["tree"], width_mm=w),
    "specification_curve": lambda it, w: plot_specification_curve(
        runs(it["evidence"].size)[["median", "lower", "upper", "probability", "choice"]],
        it["tree"],
        width_mm=w,
    ),
}


@cache
def network(count):
    """Treatments in a ring that all meet the first, with judgements, in hostile names."""
    arms, random = [f"{HOSTILE[i % 5]} {i}" for i in range(count)], np.random.default_rng(count)
    pairs = [(0, i) for i in range(1, count)] + [(i, i + 1) for i in range(1, count - 1)]
    rows = [(f"study {n}", arms[arm]) for n, pair in enumerate(pairs) for arm in pair]
    frame = pd.DataFrame(rows, columns=["study", "arm"])
    frame = frame.assign(mean=random.normal(size=len(rows)), se=0.4, n=random.integers(20, 90))
    evidence = brw.Evidence.from_arms(frame, benefit="lower")
    judged = [
        Judgement(f"study {n}", "RoB 2", "2019", "overall", ["low", "some_concerns", "high"][n % 3])
        for n in range(len(pairs) - 1)
    ]
    evidence = replace(evidence, judgements=Judgements(tuple(judged)))
    terms = (
        brw.terms.Components(brw.prior.Normal(0, 3), arm="arm", none=(arms[0],)),
        brw.terms.Arms(brw.prior.HalfNormal(1), baseline=brw.prior.Normal(0, 10)),
    )
    return solve(brw.Model(terms=terms), evidence)


def of_network(ask, it, width_mm):
    return ask(network(3 if it["evidence"].size < 10 else 12)).plot(width_mm=width_mm)


def test_numbers_of_a_league_stay_in_their_cells():
    found = brw.network.league(network(22))
    for width_mm in (84.0, 174.0):
        assert_nothing_meets(found.plot(width_mm=width_mm))


def collection(axes, gid):
    [found] = [marks for marks in axes.collections if marks.get_gid() == gid]
    return np.asarray(found.get_offsets())


def lines(axes, gid):
    return [line for line in axes.lines if line.get_gid() == gid]


def texts(axes):
    return [text.get_text() for text in axes.get_figure(root=True).findobj(Text)]


def assert_nothing_meets(axes):
    figure = axes.get_figure(root=True)
    canvas = FigureCanvasAgg(figure)
    figure.dpi = 150
    canvas.draw()
    found = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    boxes = [
        (text.get_text(), Text.get_window_extent(text, canvas.get_renderer())) for text in found
    ]
    page = figure.bbox
    for text, box in boxes:
        inside = box.x0 >= page.x0 and box.x1 <= page.x1 and box.y0 >= page.y0 and box.y1 <= page.y1
        assert inside, f"{text!r} leaves the figure"
    for (first, one), (second, other) in combinations(boxes, 2):
        apart = one.x1 <= other.x0 or other.x1 <= one.x0 or one.y1 <= other.y0 or other.y1 <= one.y0
        assert apart, f"{first!r} meets {second!r}"


@pytest.mark.parametrize(("count", "width_mm"), [(3, 84.0), (60, 174.0)])
@pytest.mark.parametrize("name", list(PLOTS))
def test_texts_stay_apart_and_on_the_page(made, name, count, width_mm):
    axes = PLOTS[name](made[count], width_mm)
    assert_nothing_meets(axes)
    assert axes.get_figure().get_figwidth() * 25.4 == pytest.approx(width_mm)
    # The description is what a screen reader says; it is a sentence with a number.
    said = axes.get_label()
    assert said.endswith(".")
    assert any(character.isdigit() for character in said)


@pytest.mark.parametrize(("studies", "width_mm"), [(3, 84.0), (60, 174.0)])
def test_texts_of_a_calibration_stay_apart_and_on_the_page(studies, width_mm):
    random = np.random.default_rng(5)
    pit = {name: random.random(400) for name in ("mu", "tau", "theta_new")}
    pit["tau"] = pit["tau"] ** 2
    pit |= {f"theta[{LONG} {place}]": random.random(400) for place in range(studies)}
    found = Calibration(name="made-up", engine=brw.Exact(), seed=1, pit=pit, cells=0)
    figure = plot_calibration(found, title="Made up", width_mm=width_mm)
    assert figure.get_figwidth() * 25.4 == pytest.approx(width_mm)
    assert_nothing_meets(figure.axes[0])
    assert [axes.get_label() for axes in figure.axes] == [
        "mu: all inside the band.",
        "tau: 1 outside the band.",
        "theta_new: all inside the band.",
        f"theta ({studies}): all inside the band.",
    ]


@pytest.mark.parametrize("name", list(PLOTS))
def test_notes_speak_of_columns_that_are_there(made, name):
    for count, width_mm in ((3, 84.0), (60, 174.0)):
        seen = texts(PLOTS[name](made[count], width_mm))
        for heading, note in (
            ("elpd", "elpd:"),
            ("τ", "τ: posterior"),
            ("Programme", "people alone"),
        ):
            assert (heading in seen) or not any(note in text for text in seen), (name, heading)


def test_posterior_intervals_are_called_credible(made):
    for name in ("leave_one_out", "cumulative", "prior_panel", "ladder"):
        seen = texts(PLOTS[name](made[3], 174.0))
        assert "HR (95% CrI)" in seen
        assert "HR (95% CI)" not in seen


def test_years_have_whole_ticks(made):
    axes = PLOTS["bubble"](made[3], 84.0)
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["1990", "1991", "1992"]


@pytest.mark.parametrize("name", ["funnel", "ladder", "traffic_light", "specification_curve"])
def test_same_bytes_twice_and_hostile_names_stay_text(made, name, tmp_path):
    paths = [tmp_path / f"{place}.svg" for place in (1, 2)]
    for path in paths:
        write_figure(PLOTS[name](made[3], 174.0).get_figure(), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    root = ElementTree.fromstring(paths[0].read_text(encoding="utf-8"))
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
    assert "\u202e" not in paths[0].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["funnel", "new_setting", "prior_posterior"])
def test_ticks_of_ratios_are_round_and_directions_are_written(made, name):
    axes = PLOTS[name](made[60], 84.0)
    for value, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True):
        assert float(label.get_text()) == pytest.approx(value)
        assert len(label.get_text()) <= 4
    assert {"← favours comparison", "favours treatment →"} <= set(texts(axes))


def test_funnel_marks_stand_at_estimates_and_limits_widen_by_tau(made):
    tree, evidence = made[60]["tree"], made[60]["evidence"]
    axes = plot_funnel(tree)
    at = collection(axes, ESTIMATES)
    effect, se = evidence.data["effect"].to_numpy(), evidence.data["se"].to_numpy()
    low, high = axes.get_xlim()
    shown = (np.exp(effect) >= low) & (np.exp(effect) <= high)
    np.testing.assert_allclose(at, np.column_stack([np.exp(effect), se])[shown])
    summary = brw.summarise(tree)
    mu, tau = summary.loc["mu", "median"], summary.loc["tau", "median"]
    for line in lines(axes, WIDENED):
        x, y = line.get_data()
        np.testing.assert_allclose(np.abs(np.log(x) - mu), 1.959964 * np.hypot(y, tau), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "table"), [("leave_one_out", "out"), ("cumulative", "cumulative")]
)
def test_dots_stand_at_the_medians_of_the_table(made, name, table):
    frame = made[60][table]
    rest = frame.loc[frame.index != "none left out"]
    at = collection(PLOTS[name](made[60], 174.0), RESULT_DOTS)[:, 0]
    np.testing.assert_allclose(at, np.exp(rest["median"]))


def test_rungs_that_were_not_registered_are_open(made):
    axes = PLOTS["ladder"](made[3], 174.0)
    [dots] = [marks for marks in axes.collections if marks.get_gid() == RESULT_DOTS]
    white = [tuple(color[:3]) == (1.0, 1.0, 1.0) for color in dots.get_facecolors()]
    assert white == [False, True] * 3


def test_specifications_are_sorted(made):
    table = runs(60)
    axes = PLOTS["specification_curve"](made[60], 174.0)
    np.testing.assert_allclose(
        collection(axes, MEDIANS)[:, 1], np.sort(np.exp(table["median"].to_numpy()))
    )


def test_exact_densities_agree_with_draws_and_integrate_to_one(made):
    evidence = made[60]["evidence"]
    tree = brw.fit(MODEL, evidence, engine=brw.Exact(draws=5000), seed=1)
    for name in ("mu", "tau", "theta_new", "beta[year]"):
        quantity = quantity_named(tree, name)
        curve = posterior_curve(tree, quantity)
        # The ends leave out at most 1e-3 (normal mixtures) and 5e-3 (an SD).
        assert np.trapezoid(curve.density, curve.x) == pytest.approx(1.0, abs=6e-3)
        values = np.asarray(tree["posterior"].to_dataset()[quantity.variable].to_numpy())
        values = values.reshape(20000, -1)[:, 0]
        middle = np.trapezoid(curve.density * curve.x, curve.x)
        # Four standard errors of 20,000 draws, and the tail that the curve leaves out.
        assert middle == pytest.approx(
            values.mean(), abs=4 * values.std() / math.sqrt(20000) + 4e-3
        )


def test_priors_are_those_of_the_model(made):
    tree = made[60]["tree"]
    assert prior_of(tree, quantity_named(tree, "mu")) == brw.prior.Normal(0, 0.5)
    assert prior_of(tree, quantity_named(tree, "tau")) == brw.prior.HalfNormal(0.3)
    assert prior_of(tree, quantity_named(tree, "beta[year]")) == brw.prior.Normal(0, 0.05)
    assert prior_of(tree, quantity_named(tree, "theta_new")) is None
    # Three levels that sum to zero keep two thirds of the prior variance each.
    level = prior_of(tree, quantity_named(tree, "beta[setting[clinic]]"))
    assert level.sd == pytest.approx(0.25 * math.sqrt(2 / 3))


def test_line_is_the_pooled_mean_at_the_centre_and_follows_the_slope(made):
    evidence, summary = made[60]["evidence"], brw.summarise(made[60]["tree"])
    centre = float(evidence.data["year"].mean())
    line = brw.predict(MODEL, evidence, at={"year": [centre, centre + 1e3]})
    for end in ("median", "lower", "upper"):
        assert line[end].iloc[0] == pytest.approx(summary.loc["mu", end], abs=1e-7)
        # A thousand years away the slope is all there is.
        assert line[end].iloc[1] / 1e3 == pytest.approx(summary.loc["beta[year]", end], abs=2e-3)
    for end in ("new_lower", "new_upper"):
        assert line[end].iloc[0] == pytest.approx(
            summary.loc["theta_new", end.removeprefix("new_")], abs=1e-7
        )


def test_crossings_of_a_straight_line():
    x = np.array([0.0, 1.0, 2.0])
    assert crossings(x, np.array([0.2, 0.6, 0.4]), 0.5) == pytest.approx([0.75, 1.5])
    assert crossings(x, np.array([0.2, 0.3, 0.4]), 0.5) == []


def test_judgements_have_the_palette_and_a_sign_each():
    fills = {MARKS[word].fill for word in ("low", "some_concerns", "high", "critical")}
    assert fills == {SKY, YELLOW, VERMILLION, INK}
    signs = {
        MARKS[word].sign for word in ("low", "moderate", "serious", "critical", "no_information")
    }
    assert len(signs) == 5


def test_traffic_light_has_a_disc_a_judgement(made):
    axes = PLOTS["traffic_light"](made[60], 174.0)
    discs = [
        marks
        for marks in axes.collections
        if str(marks.get_gid()).startswith("judgement")
        and marks.get_offset_transform() == axes.transData
    ]
    assert sum(len(marks.get_offsets()) for marks in discs) == 60 * 6
    judged = made[60]["evidence"].judgements.rows
    high = [marks for marks in discs if marks.get_gid() == "judgement: high"]
    assert len(high[0].get_offsets()) == sum(row.judgement == "high" for row in judged)


def test_summary_bars_are_shares_of_studies(made):
    axes = PLOTS["bias_summary"](made[60], 84.0)
    judged = made[60]["evidence"].judgements.rows
    number = sum(row.domain == "overall" and row.judgement == "low" for row in judged)
    [bar] = [patch for patch in axes.patches if patch.get_gid() == "overall: low"]
    assert bar.get_width() == pytest.approx(100 * number / 60)


def test_shared_scale_of_posterior_colours(made):
    axes = plot_prior_posterior(made[60]["tree"])
    [line] = lines(axes, "posterior-density")
    assert line.get_color() == BLUE


def test_missing_columns_levels_and_instruments_are_named(made):
    tree, evidence = made[3]["tree"], made[3]["evidence"]
    with pytest.raises(SpecError, match=r"columns .*probability.* are missing"):
        plot_leave_one_out(made[3]["out"].drop(columns="probability"), evidence)
    with pytest.raises(SpecError, match="moderator is 'settings'; did you mean 'setting'"):
        plot_categories(tree, "settings")
    with pytest.raises(SpecError, match="one picture shows one instrument"):
        plot_traffic_light(evidence, instrument="ROBINS-I")
    with pytest.raises(SpecError, match=r"date is 'soon'; write a date as 2026-11-24"):
        plot_history(runs(3).assign(date="soon"), tree)
    with pytest.raises(SpecError, match="needs the evidence, which a tree does not hold"):
        brw.plot_bubble(tree, "year")
    with pytest.raises(SpecError, match=r"width_mm is 50; .* need \d+; give a larger width_mm"):
        brw.plot_forest(tree, width_mm=50)


def test_a_note_begins_after_the_first_sentence_wherever_a_name_has_a_stop():
    frame = pd.DataFrame(
        {
            "study": list("ABCD"),
            "effect": [0.1, 0.2, 0.3, 0.1],
            "se": 0.1,
            "approx. dose": [1.0, 2.0, 3.0, 4.0],
        }
    )
    rows = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    terms = (
        brw.Intercept(brw.prior.Normal(0, 0.5)),
        brw.Linear("approx. dose", brw.prior.Normal(0, 0.5)),
        brw.Exchangeable(brw.prior.HalfNormal(0.3)),
    )
    tree = brw.fit(brw.Model(terms=terms), rows)
    axes = brw.plot_bubble(tree, "approx. dose", evidence=rows)
    texts = " ".join(each.get_text() for each in axes.findobj(Text))
    assert "Ratio for each unit of approx. dose: " in texts
    assert "against approx" not in texts
    assert "dose. Ratio" not in texts
