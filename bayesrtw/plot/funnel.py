"""Funnel plot: effects against their standard errors, over contours of significance.

Contours help to tell selection by significance from other reasons for asymmetry (Peters et al. 2008,
doi:10.1016/j.jclinepi.2007.11.010). arviz-plots has no such picture.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.special import ndtri

from bayesrtw.analysis.run import Synthesis
from bayesrtw.errors import SpecError
from bayesrtw.plot.figure import BLUE, INK, VERMILLION
from bayesrtw.plot.fitted import interval_in
from bayesrtw.plot.frame import COLUMN_MM, Frame, Side, draw_frame
from bayesrtw.plot.rows import Interval, spell_interval
from bayesrtw.plot.scale import limits
from bayesrtw.plot.strip import DASHES, THIN, Sample
from bayesrtw.plot.subject import Subject, subject_of, summary_of, tree_of
from bayesrtw.plot.verbs import verbs
from bayesrtw.posterior.tree import hyper_of, models_of, pooled_of
from bayesrtw.printed import spell

Array = NDArray[np.float64]

#: Two-sided P values at which contours lie, and the greys between them, darkest where P is largest.
CONTOURS = ((0.10, "#C4C4C4"), (0.05, "#D9D9D9"), (0.01, "#EBEBEB"))

#: What the contours are.
_SHADES = "Shades: two-sided P of an estimate against no effect, below 0.01 where it is white."

#: Steps of a curved limit.
STEPS = 60

#: Names of marks: ids in an SVG.
ESTIMATES, POOLED_LINE, LIMITS, WIDENED = "estimates", "pooled-line", "limits", "widened-limits"

#: Designs that count as randomised; other estimates are open circles.
RANDOMISED = frozenset({"rct", "cluster_rct"})


@dataclass(frozen=True, slots=True)
class _Content:
    subject: Subject
    effect: Array
    se: Array
    without: int
    randomised: NDArray[np.bool_]
    pooled: Interval
    spread: float
    moderated: bool
    ci_prob: float

    @property
    def z(self) -> float:
        """Standard errors on either side."""
        return float(ndtri(0.5 + self.ci_prob / 2))

    def describe(self) -> str:
        """Put the plot in words."""
        first, rest = self.said()
        return f"{first} {rest}"

    def said(self) -> tuple[str, str]:
        """Say what the plot is, and what it shows."""
        places = self.subject.measure.places(self.pooled.lower, self.pooled.upper)
        inside = np.abs(self.effect - self.pooled.centre) <= self.z * np.hypot(self.se, self.spread)
        percent = f"{100 * self.ci_prob:g}%"
        title = (
            f"Funnel plot of {len(self.effect)} estimates ({self.subject.measure.title.lower()}) against "
            f"their standard errors, {self.se.min():.2g} to {self.se.max():.2g}."
        )
        said = (
            f"Pooled effect: {spell_interval(self.pooled, self.subject.measure, places)}. "
            f"{int(inside.sum())} of "
            f"{len(self.effect)} estimates lie within the {percent} limits"
        )
        if self.spread > 0:
            said += f" widened by τ = {spell(self.spread, log=False, places=2)}"
        said += "."
        if self.without:
            said += f" {self.without} rows without a standard error on this scale are not shown."
        if self.moderated:
            said += (
                " The model has moderators: estimates scatter around the means of their own kinds, not "
                "around the pooled effect alone."
            )
        return title, said


def _frame(
    source: Synthesis | xr.DataTree,
    *,
    ci_prob: float = 0.95,
) -> Frame:
    """Draw a contour-enhanced funnel plot.

    Parameters
    ----------
    source
        A synthesis, or what `fit` returned.
    ci_prob
        Probability of the limits, in (0, 1).

    Returns
    -------
    Frame
        Across in units of the reported scale; downwards the standard error on the analysis scale.

    Raises
    ------
    SpecError
        If the model has no pooled effect, or `ax` or `width_mm` is too small.

    Notes
    -----
    Limits are ``mu ± z se`` and, with heterogeneity, ``mu ± z sqrt(se^2 + tau^2)``, at the posterior
    medians; tau^2 is the sum over the SDs that an estimate has. Contours lie at ``± z_p se`` around no
    effect.
    """
    content = _read(source, ci_prob)
    subject = content.subject
    deepest = 1.05 * float(content.se.max())
    reach = np.array([deepest, np.hypot(0.5 * deepest, content.spread)])
    low, high = limits(
        content.effect,
        content.effect,
        pooled=np.array([content.pooled.lower, content.pooled.centre, content.pooled.upper]),
        levels=content.pooled.centre + np.outer([-1.0, 1.0], content.z * reach).ravel(),
        new=np.zeros(0),
        measure=subject.measure,
    )
    frame = Frame(
        kind="Funnel plot",
        described=content.describe(),
        x=Side(subject.axis_title, low, high, subject.measure, subject.direction),
        y=Side(_upright(subject), deepest, 0.0),
        height=0.75,
        legend=tuple(_legend(content)),
        notes=(content.said()[1], _SHADES),
        caveat=subject.caveat,
    )

    def paint(axes: Axes) -> None:
        _contours(axes, content, deepest, (low, high))
        _lines(axes, content, deepest, (low, high))
        _points(axes, content, (low, high))

    return replace(frame, paint=paint)


def _read(source: Synthesis | xr.DataTree, ci_prob: float) -> _Content:
    tree = tree_of(source)
    summary = summary_of(source, ci_prob)
    pooled = interval_in(summary, pooled_of(tree))
    if pooled is None:
        raise SpecError("plot_funnel: the model has no pooled effect; add an intercept.")
    constant = tree["constant_data"].to_dataset()
    se = constant["se"].to_numpy().astype(np.float64)
    names = [
        name for name, each in hyper_of(tree).items() if each.what == "sd of effects" and each.new
    ]
    spreads = [found.centre for name in names if (found := interval_in(summary, name))]
    designs = constant["design"].to_numpy() if "design" in constant else np.full(len(se), "rct")
    effect = tree["observed_data"].to_dataset()["effect"].to_numpy().astype(np.float64)
    # Rows that a likelihood translates have no standard error of their own.
    own = np.isfinite(effect) & np.isfinite(se)
    if not own.any():
        raise SpecError(
            "plot_funnel: no row reports an effect with a standard error on this scale."
        )
    return _Content(
        subject=subject_of(source),
        effect=effect[own],
        se=se[own],
        without=int((~own).sum()),
        randomised=np.array([str(design) in RANDOMISED for design in designs])[own],
        pooled=pooled,
        spread=float(np.sqrt(np.sum(np.square(spreads)))),
        moderated=any(model.moderators for model in models_of(tree)),
        ci_prob=ci_prob,
    )


def _legend(content: _Content) -> list[tuple[Sample, str]]:
    """Explain the marks that occur."""
    percent = f"{100 * content.ci_prob:g}%"
    legend = [
        (Sample(INK, marker="o", size=4.0), "estimate"),
        (Sample(BLUE, 1.2), "pooled effect"),
        (Sample(BLUE, 1.0, dash=DASHES), f"{percent} limits, sampling error alone"),
    ]
    if not content.randomised.all():
        legend.insert(1, (Sample(INK, marker="o", size=4.0, hollow=True), "not randomised"))
    if content.spread > 0:
        legend.append((Sample(VERMILLION, 1.2), f"{percent} limits with heterogeneity"))
    bounds = [f"{p:g}" for p, _ in CONTOURS]
    legend += [
        (
            Sample(color, THIN, area=True),
            f"P {bounds[place]} to {bounds[place - 1]}" if place else f"P above {bounds[0]}",
        )
        for place, (_, color) in enumerate(CONTOURS)
    ]
    return legend


def _points(axes: Axes, content: _Content, ends: tuple[float, float]) -> None:
    """Draw the estimates; one beyond the axis is a triangle at its end."""
    low, high = ends
    back = content.subject.measure.back
    shown = (content.effect >= low) & (content.effect <= high)
    axes.scatter(
        back(content.effect[shown]),
        content.se[shown],
        s=16.0,
        facecolors=[INK if it else "white" for it in content.randomised[shown]],
        edgecolors=["white" if it else INK for it in content.randomised[shown]],
        linewidths=0.6,
        zorder=4,
        gid=ESTIMATES,
    )
    for beyond, end, marker in (
        (content.effect < low, low, "<"),
        (content.effect > high, high, ">"),
    ):
        axes.scatter(
            np.full(int(beyond.sum()), float(back(end))),
            content.se[beyond],
            s=16.0,
            marker=marker,
            color=INK,
            linewidths=0,
            clip_on=False,
            zorder=4,
        )


def _upright(subject: Subject) -> str:
    scale = (
        " of the log ratio" if subject.measure.log else f", {subject.unit}" if subject.unit else ""
    )
    return f"Standard error{scale} (precise estimates on top)"


def _contours(axes: Axes, content: _Content, deepest: float, ends: tuple[float, float]) -> None:
    """Shade where a two-sided P value lies between two bounds; the tip is at no effect."""
    low, high = ends
    inner = 0.0
    se = np.linspace(0.0, deepest, STEPS)
    back = content.subject.measure.back
    for p, color in CONTOURS:
        outer = float(ndtri(1 - p / 2))
        for sign in (-1.0, 1.0):
            near, far = (back(np.clip(sign * z * se, low, high)) for z in (inner, outer))
            axes.fill_betweenx(
                se, near, far, color=color, linewidth=0, zorder=0.5, gid=f"contour-{p:g}"
            )
        inner = outer
    axes.plot(
        [content.subject.measure.null] * 2, [0.0, deepest], color=INK, linewidth=0.6, zorder=1
    )


def _lines(axes: Axes, content: _Content, deepest: float, ends: tuple[float, float]) -> None:
    """Draw the pooled effect and the limits around it."""
    back, centre = content.subject.measure.back, content.pooled.centre
    axes.plot(
        [float(back(centre))] * 2,
        [0.0, deepest],
        color=BLUE,
        linewidth=1.2,
        gid=POOLED_LINE,
        zorder=2,
    )
    se = np.linspace(0.0, deepest, STEPS)
    families: list[tuple[Array, str, Any, str]] = [(content.z * se, BLUE, DASHES, LIMITS)]
    if content.spread > 0:
        families.append((content.z * np.hypot(se, content.spread), VERMILLION, "-", WIDENED))
    for reach, color, style, gid in families:
        for sign in (-1.0, 1.0):
            at = centre + sign * reach
            inside = (at >= ends[0]) & (at <= ends[1])
            axes.plot(
                back(at[inside]),
                se[inside],
                color=color,
                linewidth=1.1,
                linestyle=style,
                gid=gid,
                zorder=2,
            )


plot_funnel, describe_funnel = verbs(_frame, draw_frame, width_mm=COLUMN_MM)
