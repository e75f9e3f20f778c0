"""Heterogeneity: the posterior of every SD of true effects, with its prior.

Densities come from the exact engine (see `bayesrtw.plot.density` for why not from arviz-plots).
"""

from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayesrtw.analysis.run import Synthesis
from bayesrtw.errors import SpecError
from bayesrtw.model.term import told_apart
from bayesrtw.plot.density import posterior_curve, prior_curve, prior_of, quantity_named
from bayesrtw.plot.figure import BLUE, INK, PURPLE, VERMILLION
from bayesrtw.plot.frame import COLUMN_MM, Frame, Side, draw_frame
from bayesrtw.plot.prior_posterior import draw_interval
from bayesrtw.plot.strip import DASHES, Sample
from bayesrtw.plot.subject import Subject, subject_of, summary_of, tree_of
from bayesrtw.plot.verbs import verbs
from bayesrtw.posterior.tree import hyper_of
from bayesrtw.printed import decimals, spell

#: Colours of the SDs in their order, told apart in grey print by their lightness too.
COLORS = (BLUE, VERMILLION, PURPLE)

#: Room beneath the curves for one interval, as a share of the height.
BENEATH = 0.08


def _frame(
    source: Synthesis | xr.DataTree,
    *,
    ci_prob: float = 0.95,
) -> Frame:
    """Draw the posterior of every heterogeneity SD, with its prior dashed.

    Parameters
    ----------
    source
        A synthesis, or what `fit` returned.
    ci_prob
        Probability of the intervals beneath, in (0, 1).

    Returns
    -------
    Frame
        Across the SD on the analysis scale; upwards its density.
    """
    tree, subject = tree_of(source), subject_of(source)
    names, told = _names(tree), _numbers(source, subject, ci_prob)
    summary = summary_of(source, ci_prob)
    curves = [posterior_curve(tree, quantity_named(tree, name)) for name in names]
    high = max(float(curve.x[-1]) for curve in curves)
    priors = [prior_of(tree, quantity_named(tree, name)) for name in names]
    drawn = [None if prior is None else prior_curve(prior, 0.0, high) for prior in priors]
    tall = max(float(curve.density.max()) for curve in curves)
    which = told_apart(hyper_of(tree))
    legend = [
        (Sample(color, 1.4, "o", 4.0), f"τ{which[name]}")
        for name, color in zip(names, COLORS, strict=False)
    ]
    legend.append((Sample(INK if len(names) > 1 else COLORS[0], 1.0, dash=DASHES), "prior"))
    scale = (
        " on the log scale" if subject.measure.log else f", {subject.unit}" if subject.unit else ""
    )
    frame = Frame(
        kind="Heterogeneity",
        described=f"Posterior and prior density of heterogeneity. {told}",
        x=Side(f"Heterogeneity τ, SD of true effects{scale}", 0.0, high),
        y=Side("", -BENEATH * tall * len(names) - 0.02 * tall, 1.06 * tall, bare=True),
        height=0.55,
        legend=tuple(legend),
        notes=(told,),
        caveat=subject.caveat,
    )

    def paint(axes: Axes) -> None:
        for place, (name, curve) in enumerate(zip(names, curves, strict=True)):
            color = COLORS[place % len(COLORS)]
            axes.plot(curve.x, curve.density, color=color, linewidth=1.4, gid=f"posterior: {name}")
            prior = drawn[place]
            if prior is not None:
                axes.plot(prior.x, prior.density, color=color, linewidth=1.0, linestyle=DASHES)
            ends = summary.loc[name, ["lower", "median", "upper"]].to_numpy(dtype=np.float64)
            draw_interval(axes, ends, -BENEATH * tall * (place + 0.6), color)

    return replace(frame, paint=paint)


def _names(tree: xr.DataTree) -> list[str]:
    names = [name for name, each in hyper_of(tree).items() if each.what == "sd of effects"]
    if not names:
        raise SpecError("plot_tau: the model has no heterogeneity SD; nothing is to be drawn.")
    return names


def _numbers(source: Synthesis | xr.DataTree, subject: Subject, ci_prob: float) -> str:
    """Print medians and intervals; on log scales also what they mean for ratios."""
    tree, summary = tree_of(source), summary_of(source, ci_prob)
    said, which = [], told_apart(hyper_of(tree))
    for name in _names(tree):
        values = summary.loc[name, ["median", "lower", "upper"]].to_numpy(dtype=np.float64)
        places = max(2, decimals(np.array([(values[2] - values[1]) / 2]), log=False))
        centre, lower, upper = (spell(float(v), log=False, places=places) for v in values)
        said.append(
            f"τ{which[name]}: median {centre} ({100 * ci_prob:g}% interval {lower} to {upper})."
        )
        if subject.measure.log:
            factor = float(np.exp(1.959964 * values[0]))
            said.append(
                f"At that median, 95% of true effects lie within a factor of {factor:.2f} of their mean."
            )
    return " ".join(said)


plot_tau, describe_tau = verbs(_frame, draw_frame, width_mm=COLUMN_MM)
