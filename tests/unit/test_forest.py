import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

import bayesrtw as brw
from bayesrtw.errors import OutputError, SpecError
from bayesrtw.evidence.measure import MEASURES
from bayesrtw.model.heterogeneity import ByGroup
from bayesrtw.plot.figure import PAGE_WIDTH, write_figure
from bayesrtw.plot.fitted import read_forest
from bayesrtw.plot.forest import plot_forest
from bayesrtw.plot.lettering import PAGE_TYPE, Face, one_line, shorten, width, wrap
from bayesrtw.plot.marks import OWN_SQUARES, POOLED_DIAMOND, SHRUNKEN_DOTS
from bayesrtw.plot.scale import limits, ticks
from bayesrtw.printed import decimals, spell, spell_probability, spell_share

LONG = "Þórður Ægisson–Müller, Gülşen Öztürk και η Ελληνική ομάδα: work-focused rehabilitation 2019"
HOSTILE = ["<script>x</script>", "A & B $x_1$", "q\"uo'te --> ]]>", "100%s \\n {y}"]


def frame(count, *, seed=1, scale=1.0):
    random = np.random.default_rng(seed)
    se = random.uniform(0.06, 0.4, count) * scale
    return pd.DataFrame(
        {
            "study": [f"Study {number:02d} (19{number % 100:02d})" for number in range(count)],
            "effect": 0.15 * scale + random.normal(0, 0.3, count) * scale,
            "se": se,
            "setting": [("clinic", "workplace", "insurer")[number % 3] for number in range(count)],
        }
    )


def fitted(data, *terms, sd=0.5, tau=0.5, engine=None, random=None, likelihood=None, **settings):
    settings = {"measure": "log_hazard_ratio", "benefit": "higher", **settings}
    evidence = brw.Evidence.from_frame(data, **settings)
    model = brw.Model(
        terms=(
            brw.Intercept(brw.prior.Normal(0, sd)),
            *terms,
            random or brw.Exchangeable(brw.prior.HalfNormal(tau)),
        ),
        likelihood=likelihood or brw.likelihood.NormalErrors(),
    )
    return brw.fit(model, evidence, engine=engine)


SETTING = brw.Categorical("setting", brw.prior.Normal(0, 0.25))


@pytest.fixture(scope="module")
def tree():
    return fitted(frame(9), SETTING)


def texts(axes):
    found = axes.get_figure(root=True).findobj(Text)
    return [text.get_text() for text in found if text.get_text() and text.get_visible()]


def offsets(axes, gid):
    [found] = [marks for marks in axes.collections if marks.get_gid() == gid]
    return np.asarray(found.get_offsets())


def without_weights(tree):
    return tree.drop_nodes("quadrature")


def drawn_extents(axes, dpi):
    figure = axes.get_figure(root=True)
    canvas = FigureCanvasAgg(figure)
    figure.dpi = dpi
    canvas.draw()
    found = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    boxes = [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in found]
    return figure.bbox, boxes


def assert_nothing_meets(axes, dpi=150):
    page, boxes = drawn_extents(axes, dpi)
    for text, box in boxes:
        inside = box.x0 >= page.x0 and box.x1 <= page.x1 and box.y0 >= page.y0 and box.y1 <= page.y1
        assert inside, f"{text!r} leaves the figure"
    for (first, one), (second, other) in combinations(boxes, 2):
        apart = one.x1 <= other.x0 or other.x1 <= one.x0 or one.y1 <= other.y0 or other.y1 <= one.y0
        assert apart, f"{first!r} meets {second!r}"


def test_returns_axes_on_a_figure_of_journal_width(tree):
    axes = plot_forest(tree)
    assert isinstance(axes, Axes)
    assert axes.get_figure().get_figwidth() * 72 == pytest.approx(PAGE_WIDTH)


def test_every_estimate_has_a_square_a_dot_and_a_name(tree):
    axes = plot_forest(tree)
    assert len(offsets(axes, OWN_SQUARES)) == len(offsets(axes, SHRUNKEN_DOTS)) == 9
    assert set(frame(9)["study"]) <= set(texts(axes))


def test_squares_stand_at_own_estimates_and_dots_at_shrunken_ones(tree):
    axes = plot_forest(tree)
    summary = brw.summarise(tree)
    shrunken = summary.loc[summary["variable"] == "theta", "median_back"].to_numpy()
    np.testing.assert_allclose(offsets(axes, OWN_SQUARES)[:, 0], np.exp(frame(9)["effect"]))
    np.testing.assert_allclose(offsets(axes, SHRUNKEN_DOTS)[:, 0], shrunken)


def test_dots_stand_beneath_their_squares(tree):
    axes = plot_forest(tree)
    between = offsets(axes, OWN_SQUARES)[:, 1] - offsets(axes, SHRUNKEN_DOTS)[:, 1]
    assert np.all((between > 0) & (between < 6))


def test_area_of_squares_follows_weights(tree):
    axes = plot_forest(tree)
    [squares] = [marks for marks in axes.collections if marks.get_gid() == OWN_SQUARES]
    weights = tree["quadrature"]["weight_in_mu"].to_numpy()
    areas = squares.get_sizes()
    np.testing.assert_allclose(areas / areas.max(), weights / weights.max())


@pytest.mark.parametrize("quantity", ["mu", "theta_new"])
@pytest.mark.parametrize("ci_prob", [0.95, 0.5])
def test_texts_are_the_numbers_of_the_summary(tree, quantity, ci_prob):
    row = brw.summarise(tree, ci_prob=ci_prob).loc[quantity]
    wanted = f"{row.median_back:.2f} ({row.lower_back:.2f} to {row.upper_back:.2f})"
    assert wanted in texts(plot_forest(tree, ci_prob=ci_prob))


def test_own_interval_is_effect_plus_minus_z_se(tree):
    first = frame(9).iloc[0]
    low, mid, high = np.exp(first.effect + np.array([-1, 0, 1]) * 1.959964 * first.se)
    assert f"{mid:.2f} ({low:.2f} to {high:.2f})" in texts(plot_forest(tree))


def test_weights_and_that_of_the_prior_are_percentages(tree):
    shown = texts(plot_forest(tree))
    quadrature = tree["quadrature"]
    assert f"{100 * float(quadrature['weight_in_mu'][0]):.1f}" in shown
    assert f"{100 * float(quadrature['prior_weight_in_mu']):.1f}" in shown
    assert {"Prior", "Weight, %", "100"} <= set(shown)


def test_pooled_diamond_is_as_wide_as_its_interval(tree):
    axes = plot_forest(tree)
    [diamond] = [patch for patch in axes.patches if patch.get_gid() == POOLED_DIAMOND]
    corners = diamond.get_xy()[:, 0]
    row = brw.summarise(tree).loc["mu"]
    assert corners.min() == pytest.approx(row.lower_back)
    assert corners.max() == pytest.approx(row.upper_back)


def test_groups_stand_under_headings_in_the_order_of_the_levels(tree):
    shown = texts(plot_forest(tree, group_by="setting"))
    headings = [text for text in shown if text.startswith("Setting: ")]
    assert headings == ["Setting: clinic", "Setting: insurer", "Setting: workplace"]
    summary = brw.summarise(tree)
    for level in ("clinic", "insurer", "workplace"):
        row = summary.loc[f"mu_level[setting[{level}]]"]
        assert f"{row.median_back:.2f} ({row.lower_back:.2f} to {row.upper_back:.2f})" in shown


def test_rows_keep_the_order_of_the_evidence_within_a_group(tree):
    forest = read_forest(tree, group_by="setting", ci_prob=0.95)
    names = [row.label for row in forest.of("estimate")]
    data = frame(9)
    wanted = [name for level in ("clinic", "insurer", "workplace")
              for name in data.loc[data["setting"] == level, "study"]]  # fmt: skip
    assert names == wanted


def test_text_column_makes_groups_without_means():
    data = frame(4).assign(design=["rct", "cluster_rct", "rct", ""])
    forest = read_forest(fitted(data), group_by="design", ci_prob=0.95)
    headings = [row.label for row in forest.of("heading")]
    assert headings == ["Design: rct", "Design: cluster rct", "Design: not given"]
    assert not forest.of("level")


def test_unknown_group_names_the_choices(tree):
    wanted = r"group_by is 'settings'; did you mean 'setting'\? Choices: .*outcome, setting, study"
    with pytest.raises(SpecError, match=wanted):
        plot_forest(tree, group_by="settings")


def test_tree_without_weights_leaves_the_column_out(tree):
    shown = texts(plot_forest(without_weights(tree)))
    assert not any("Weight" in text or text == "100" for text in shown)
    assert any("precision" in text for text in shown)


def test_model_without_heterogeneity_has_no_new_setting():
    shown = texts(plot_forest(fitted(frame(4), random=brw.Common())))
    assert "Pooled effect" in shown
    assert "New setting" not in shown
    assert "τ" not in " ".join(shown)


def in_pairs(count):
    return frame(count).assign(study=[f"Study {number // 2}" for number in range(count)])


def test_every_heterogeneity_is_named():
    between = brw.Exchangeable(brw.prior.HalfNormal(0.5), by="study", name="tau_study")
    tree = fitted(in_pairs(8), between)
    said = " ".join(read_forest(tree, group_by=None, ci_prob=0.95).notes)
    assert "Heterogeneity τ, the SD of true effects on the log scale: " in said
    assert "Heterogeneity τ (study), the SD of true effects on the log scale: " in said


def test_unknown_correlation_is_named():
    likelihood = brw.likelihood.NormalErrors(
        brw.likelihood.Correlation("study", brw.prior.Beta(2, 2))
    )
    tree = fitted(in_pairs(4), likelihood=likelihood)
    said = " ".join(read_forest(tree, group_by=None, ci_prob=0.95).notes)
    assert "Correlation ρ of sampling errors: " in said


def test_new_setting_says_whose_heterogeneity_it_has():
    groups = (
        brw.Group("inside", ("clinic",), "treated there"),
        brw.Group("outside", ("workplace", "insurer"), "not treated there"),
    )
    random = ByGroup("setting", groups, brw.prior.HalfNormal(0.5))
    said = " ".join(read_forest(fitted(frame(6), random=random), group_by=None, ci_prob=0.95).notes)
    assert "Heterogeneity τ (inside), " in said
    assert "Heterogeneity τ (outside), " in said
    assert "The new setting has the τ of inside." in said


def test_without_study_effects_there_are_no_dots():
    axes = plot_forest(fitted(frame(4), engine=brw.Exact(study_effects=False)))
    assert len(offsets(axes, SHRUNKEN_DOTS)) == 0
    assert "shrunken estimate" not in texts(axes)


def test_notes_say_level_kind_benefit_heterogeneity_and_what_the_pool_means(tree):
    said = " ".join(read_forest(tree, group_by=None, ci_prob=0.9).notes).replace("\u00a0", " ")
    summary = brw.summarise(tree, ci_prob=0.9)
    mu, tau = summary.loc["mu"], summary.loc["tau"]
    assert f"benefit (hazard ratio above 1): {mu.probability:.2f}." in said
    assert f"{tau['median']:.2f} ({tau.lower:.2f} to {tau.upper:.2f})." in said
    assert "90% central (equal-tailed) credible interval" in said
    assert "mean over the levels of setting" in said


def test_caveat_is_printed_in_lines_that_fit(tree):
    marked = tree.copy()
    marked.attrs["caveat"] = "Do not report a pool of these rows as evidence. " * 6
    axes = plot_forest(marked)
    assert any(text.startswith("Caveat: Do not report") for text in texts(axes))
    assert_nothing_meets(axes)


@pytest.mark.parametrize(
    ("benefit", "left", "right"),
    [
        ("higher", "← favours comparison", "favours treatment →"),
        ("lower", "← favours treatment", "favours comparison →"),
    ],
)
def test_directions_follow_benefit(benefit, left, right):
    shown = texts(plot_forest(fitted(frame(3), benefit=benefit)))
    assert left in shown
    assert right in shown


def test_difference_has_its_unit_and_a_linear_axis():
    data = frame(6, scale=30.0)
    tree = fitted(data, sd=50, tau=20, measure="mean_difference", unit="days", benefit="lower")
    axes = plot_forest(tree)
    assert axes.get_xscale() == "linear"
    assert {"Mean difference, days", "MD, days (95% CI)"} <= set(texts(axes))


def test_ratio_axis_is_logarithmic_with_round_ticks(tree):
    axes = plot_forest(tree)
    assert axes.get_xscale() == "log"
    low, high = axes.get_xlim()
    ticks_shown = axes.get_xticks()
    assert 1.0 in ticks_shown
    assert np.all((ticks_shown >= low) & (ticks_shown <= high))
    for value, label in zip(ticks_shown, axes.get_xticklabels(), strict=True):
        assert re.fullmatch(r"\d+(\.\d{1,3})?", label.get_text())
        assert float(label.get_text()) == pytest.approx(value)


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.2, 5.0, [0.25, 0.5, 1, 2, 4]),
        (0.45, 3.2, [0.5, 0.75, 1, 1.5, 2, 3]),
        (0.008, 120.0, [0.01, 0.1, 1, 10, 100]),
        (0.78, 1.45, [0.8, 1, 1.2, 1.4]),
        (0.97, 1.03, [0.98, 1, 1.02]),
    ],
)
def test_ratio_ticks(low, high, wanted):
    values, _ = ticks(
        np.log(low),
        np.log(high),
        measure=MEASURES["log_risk_ratio"],
        length=170,
        label_width=lambda _: 16,
    )
    assert values == pytest.approx(wanted)


def test_difference_ticks_are_round_and_signed():
    values, labels = ticks(-120.0, 85.0, measure=None, length=170, label_width=lambda _: 20)
    assert values == [-100, -50, 0, 50]
    assert labels == ["−100", "−50", "0", "50"]


def test_one_wild_study_does_not_squeeze_the_rest():
    data = frame(8)
    calm = plot_forest(fitted(data)).get_xlim()
    data.loc[3, "se"] = 20.0
    data.loc[5, "effect"] = -6.0
    wild = plot_forest(fitted(data))
    low, high = wild.get_xlim()
    assert np.log(high / low) < 2.5 * np.log(calm[1] / calm[0])
    heads = [line for line in wild.lines if line.get_marker() in ("<", ">")]
    assert heads
    assert "goes on beyond the axis" in texts(wild)


def test_limits_hold_the_pooled_interval_and_no_effect():
    one = np.array([2.0]), np.array([2.2])
    low, high = limits(
        *one,
        pooled=np.array([-1.0, 1.5, 4.0]),
        levels=np.zeros(0),
        new=np.zeros(0),
        measure=MEASURES["log_risk_ratio"],
    )
    assert low < -1.0
    assert high > 4.0


@pytest.mark.parametrize("count", [1, 2, 3, 27, 60])
@pytest.mark.parametrize("dpi", [100, 300])
def test_no_two_texts_meet(count, dpi):
    axes = plot_forest(fitted(frame(count)), title=f"{count} simulated studies")
    assert_nothing_meets(axes, dpi)


def test_no_two_texts_meet_in_groups_with_long_names_and_titles():
    data = frame(12)
    data["study"] = [f"{LONG} {number}" for number in range(12)]
    data["setting"] = (
        data["setting"] + " in a region with a very long name, and then some more of it"
    )
    axes = plot_forest(fitted(data, SETTING), group_by="setting", title="A long title " * 20)
    assert_nothing_meets(axes)
    assert sum(text.startswith("Þórður") for text in texts(axes)) == 12
    assert not any("…" in text for text in texts(axes) if text.startswith(("Þórður", "η", "rehab")))


def test_no_two_texts_meet_where_numbers_are_large():
    data = frame(5, scale=4e6)
    tree = fitted(
        data, sd=1e7, tau=1e6, measure="mean_difference", unit="percentage points of a long unit"
    )
    assert_nothing_meets(plot_forest(tree))


@pytest.mark.parametrize("shift", [-2.5, 2.5])
def test_no_two_texts_meet_where_no_effect_is_at_the_end(shift):
    data = frame(5)
    data["effect"] += shift
    tree = fitted(data, sd=3.0)
    assert_nothing_meets(plot_forest(tree))
    assert_nothing_meets(plot_forest(without_weights(tree)))


def test_height_grows_with_rows():
    heights = [
        plot_forest(fitted(frame(count))).get_figure().get_figheight()
        for count in (2, 20, 34, 35, 36, 60)
    ]
    assert heights == sorted(set(heights))
    assert heights[-1] * 2.54 < 29.7


def test_given_axes_are_used_where_they_stand(tree):
    figure = Figure(figsize=(16, 9))
    left, right = figure.subplots(1, 2)
    outer = left.get_position()
    assert plot_forest(tree, ax=left) is left
    plot_forest(tree, ax=right, group_by="setting")
    inner = left.get_position()
    assert outer.x0 < inner.x0 < inner.x1 < outer.x1
    assert_nothing_meets(left)


def test_small_axes_are_refused_with_the_size_they_need(tree):
    with pytest.raises(SpecError, match=r"ax is 5\.0 by 3\.7 inches; its 12 rows need 5\.0 by "):
        plot_forest(tree, ax=Figure(figsize=(6.4, 4.8)).subplots())


def test_ci_prob_outside_is_refused(tree):
    with pytest.raises(SpecError, match="ci_prob must lie in"):
        plot_forest(tree, ci_prob=95)


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_same_tree_gives_the_same_bytes_under_any_style(tree, tmp_path, suffix):
    first, second = tmp_path / f"first.{suffix}", tmp_path / f"second.{suffix}"
    write_figure(plot_forest(tree, group_by="setting", title="T").get_figure(), first)
    style = {"axes.grid": True, "font.size": 20, "figure.facecolor": "black", "lines.linewidth": 9}
    with mpl.rc_context(style):
        write_figure(plot_forest(tree, group_by="setting", title="T").get_figure(), second)
    assert first.read_bytes() == second.read_bytes()


def test_settings_of_the_user_are_left_alone(tree, tmp_path):
    before = dict(mpl.rcParams)
    write_figure(plot_forest(tree).get_figure(), tmp_path / "a.svg")
    assert dict(mpl.rcParams) == before


def test_hostile_names_stand_in_the_svg_as_they_are(tmp_path):
    data = frame(4)
    data["study"] = HOSTILE
    path = tmp_path / "a.svg"
    write_figure(plot_forest(fitted(data), title="<b> & $y$").get_figure(), path)
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    shown = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert set(HOSTILE) <= set(shown)
    assert "<b> & $y$" in shown
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))


def test_svg_has_title_and_description_and_no_date(tree, tmp_path):
    path = tmp_path / "a.svg"
    write_figure(plot_forest(tree, title="Time & work").get_figure(), path)
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    names = "{http://www.w3.org/2000/svg}"
    assert root.findtext(f"{names}title") == "Time & work"
    description = root.findtext(f"{names}desc")
    assert description is not None
    assert description.startswith(
        "Forest plot of 9 estimates (hazard ratio). Pooled effect, each level once: "
    )
    assert "date" not in path.read_text(encoding="utf-8").lower()


def test_png_has_three_hundred_dots_an_inch_and_no_software(tree, tmp_path):
    path = tmp_path / "a.png"
    write_figure(plot_forest(tree).get_figure(), path)
    content = path.read_bytes()
    assert int.from_bytes(content[16:20], "big") == pytest.approx(17 / 2.54 * 300, abs=1)
    assert b"Software" not in content


def test_other_formats_are_refused(tree, tmp_path):
    with pytest.raises(
        OutputError, match=r"the format is 'jpg'; did you mean 'png'\? Choices: png, svg"
    ):
        write_figure(plot_forest(tree).get_figure(), tmp_path / "a.jpg")


def test_missing_folder_is_named(tree, tmp_path):
    with pytest.raises(OutputError, match="nowhere"):
        write_figure(plot_forest(tree).get_figure(), tmp_path / "nowhere" / "a.svg")


def test_pyplot_is_not_used():
    sources = sorted(Path(plot_forest.__code__.co_filename).parent.glob("*.py"))
    assert len(sources) > 3
    assert not [path.name for path in sources if "pyplot" in path.read_text(encoding="utf-8")]


def test_shortening_keeps_both_ends_and_fits():
    face = Face(7.5)
    short = shorten(LONG, 120.0, face)
    assert short.startswith("Þórður")
    assert short.endswith("2019")
    assert width(short, face) <= 120.0
    assert shorten("Aa", 120.0, face) == "Aa"


def test_wrapped_lines_fit_and_lose_nothing():
    lines = wrap("one two three four " * 10, 90.0, PAGE_TYPE.small)
    assert all(width(line, PAGE_TYPE.small) <= 90.0 for line in lines)
    assert " ".join(lines).split() == ("one two three four " * 10).split()


def test_one_line_takes_out_what_breaks_lines_and_xml():
    assert one_line("Łukasz\n 2020\x01\ud800 end\ufffe") == "Łukasz 2020 end"


@pytest.mark.parametrize(
    ("value", "log", "places", "wanted"),
    [
        (1.094, True, 2, "1.09"),
        (1.0094, True, 3, "1.009"),
        (12.34, True, 2, "12.3"),
        (123.4, True, 2, "123"),
        (1e7, True, 2, ">9999"),
        (0.001, True, 2, "<0.01"),
        (-7.84, False, 1, "−7.8"),
        (-0.04, False, 1, "0.0"),
        (-1234.5, False, 0, "−1,234"),
    ],
)
def test_effects_are_spelt(value, log, places, wanted):
    assert spell(value, log=log, places=places) == wanted


def test_shares_and_probabilities_are_spelt():
    assert [spell_share(share) for share in (0.123, 0.0001, -0.135, 0.0)] == [
        "12.3",
        "<0.1",
        "−13.5",
        "0.0",
    ]
    assert [spell_probability(p) for p in (0.844, 0.9999, 0.0)] == ["0.84", ">0.99", "<0.01"]


@pytest.mark.parametrize(
    ("half", "log", "wanted"),
    [(35.0, False, 0), (7.5, False, 1), (0.3, False, 2), (0.2, True, 2), (0.01, True, 3)],
)
def test_decimals_follow_the_interval(half, log, wanted):
    assert decimals(np.array([half]), log=log) == wanted
