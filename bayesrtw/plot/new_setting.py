"""The effect in a new setting: how likely the next programme is a benefit, as areas under a curve.

arviz-plots' `plot_dist` can mark a reference value on a density of draws, but shades neither side and
knows no direction of benefit; the density here is the exact mixture.
"""

from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayesrtw.analysis.run import Synthesis
from bayesrtw.plot.density import Curve, posterior_curve, quantity_named
from bayesrtw.plot.figure import BLUE, INK, ORANGE, SKY, VERMILLION
from bayesrtw.plot.fitted import number_in
from bayesrtw.plot.frame import COLUMN_MM, Frame, Side, draw_frame
from bayesrtw.plot.prior_posterior import axis_title, draw_interval
from bayesrtw.plot.rows import Interval, spell_interval
from bayesrtw.plot.strip import THICK, Sample
from bayesrtw.plot.subject import Subject, subject_of, summary_of, tree_of
from bayesrtw.plot.verbs import verbs
from bayesrtw.posterior.tree import new_of, pooled_of, which_of
from bayesrtw.printed import spell_probability

#: Names of the areas: ids in an SVG.
AREAS, NEUTRAL_AREAS = ("benefit", "harm"), ("above", "below")

#: Room beneath the curve for the intervals, as a share of its height.
BENEATH = 0.2


def _frame(
    source: Synthesis | xr.DataTree,
    *,
    ci_prob: float = 0.95,
) -> Frame:
    """Draw the distribution of the effect in a new setting, with the probability of benefit shaded.

    Parameters
    ----------
    source
        A synthesis, or what `fit` returned.
    ci_prob
        Probability of the intervals beneath, in (0, 1).

    Returns
    -------
    Frame
        Across in units of the reported scale; the density is per unit of the analysis scale.

    Raises
    ------
    SpecError
        If the model has no heterogeneity, so that a new setting has the pooled effect.
    """
    tree, subject = tree_of(source), subject_of(source)
    name = new_of(tree)
    quantity = quantity_named(tree, name)
    summary = summary_of(source, ci_prob)
    curve = posterior_curve(tree, quantity)
    chance = number_in(summary, name, "probability")
    new, pooled = (
        summary.loc[each, ["lower", "median", "upper"]].to_numpy(dtype=np.float64)
        for each in (name, pooled_of(tree))
    )
    # The tails of a mixture are long: the interval and no effect decide what is shown.
    reach = 0.25 * (new[2] - new[0])
    low = min(max(float(curve.x[0]), new[0] - reach), -0.1 * reach)
    high = max(min(float(curve.x[-1]), new[2] + reach), 0.1 * reach)
    tall = float(curve.density.max())
    frame = Frame(
        kind="New setting",
        described=_said(source, ci_prob),
        x=Side(axis_title(quantity, subject), low, high, subject.measure, subject.direction),
        y=Side("", -BENEATH * tall, 1.06 * tall, bare=True),
        height=0.55,
        legend=(
            *_sides(subject, chance),
            (Sample(VERMILLION, THICK, "o", 4.5), f"new setting, {100 * ci_prob:g}% interval"),
            (Sample(BLUE, THICK, "o", 4.5), f"pooled effect, {100 * ci_prob:g}% interval"),
        ),
        notes=tuple(
            f"{said}: {which}."
            for said, each in (("New setting", name), ("Pooled effect", pooled_of(tree)))
            if (which := which_of(tree, each))
        ),
        caveat=subject.caveat,
    )

    def paint(axes: Axes) -> None:
        _areas(axes, curve, subject)
        back = subject.measure.back
        axes.plot(back(curve.x), curve.density, color=INK, linewidth=1.0, zorder=3)
        axes.axvline(subject.measure.null, color=INK, linewidth=0.6, zorder=1)
        draw_interval(axes, back(new), -0.3 * BENEATH * tall, VERMILLION)
        draw_interval(axes, back(pooled), -0.7 * BENEATH * tall, BLUE)

    return replace(frame, paint=paint)


def _said(source: Synthesis | xr.DataTree, ci_prob: float) -> str:
    """Say the probability of benefit, and both intervals."""
    tree, subject = tree_of(source), subject_of(source)
    summary = summary_of(source, ci_prob)
    name = new_of(tree)
    said = []
    for each in (name, pooled_of(tree)):
        interval = Interval(
            *(number_in(summary, each, end) for end in ("median", "lower", "upper"))
        )
        places = subject.measure.places(interval.lower, interval.upper)
        said.append(spell_interval(interval, subject.measure, places))
    chance = spell_probability(number_in(summary, name, "probability"))
    direction = subject.direction
    known = f"the probability {direction.said} is {chance}; " if direction.event else ""
    return (
        f"Distribution of the effect in a new setting{_which(tree, name)}: {known}"
        f"{subject.measure.title.lower()} {said[0]}, {100 * ci_prob:g}% interval; "
        f"pooled effect{_which(tree, pooled_of(tree))} {said[1]}."
    )


def _which(tree: xr.DataTree, quantity: str) -> str:
    which = which_of(tree, quantity)
    return f" ({which})" if which else ""


def _sides(subject: Subject, chance: float) -> list[tuple[Sample, str]]:
    """Name the two areas with their probabilities; none of a measure of a single group."""
    direction = subject.direction
    if not direction.event:
        return []
    null = f"{subject.measure.null:g}"
    names = ("benefit", "harm") if direction.benefit else (f"above {null}", f"below {null}")
    return [
        (Sample(SKY, area=True), f"{names[0]}: probability {spell_probability(chance)}"),
        (Sample(ORANGE, area=True, hatch="////"), f"{names[1]}: {spell_probability(1 - chance)}"),
    ]


def _areas(axes: Axes, curve: Curve, subject: Subject) -> None:
    """Fill the areas of benefit and of harm, or above and below no effect."""
    back, higher = subject.measure.back, subject.direction.upward
    if not subject.direction.event:
        return
    good_area, other_area = AREAS if subject.direction.benefit else NEUTRAL_AREAS
    # Both areas end exactly at no effect.
    x = np.sort(np.append(curve.x, 0.0)) if curve.x[0] < 0 < curve.x[-1] else curve.x
    density = np.interp(x, curve.x, curve.density)
    for good, gid, color, hatch in (
        (True, good_area, SKY, None),
        (False, other_area, ORANGE, "////"),
    ):
        side = x >= 0 if good == higher else x <= 0
        axes.fill_between(
            back(x[side]),
            0.0,
            density[side],
            facecolor=color,
            edgecolor=INK if hatch else "none",
            hatch=hatch,
            linewidth=0,
            gid=gid,
            zorder=1.5,
        )


plot_new_setting, describe_new_setting = verbs(_frame, draw_frame, width_mm=COLUMN_MM)
