"""Curves of return to work of both arms, with what studies report of single dates on them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bayesrtw.analysis.run import Synthesis
from bayesrtw.errors import SpecError
from bayesrtw.evidence.hazards import back
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.reported import HALF
from bayesrtw.plot.figure import BLUE, VERMILLION
from bayesrtw.plot.frame import COLUMN_MM, Frame, Side, draw_frame
from bayesrtw.plot.strip import DASHES, Sample
from bayesrtw.plot.subject import evidence_of, subject_of, tree_of
from bayesrtw.plot.verbs import verbs
from bayesrtw.posterior.tree import models_of, pooled_of

Array = NDArray[np.float64]

#: Points of a curve, draws behind a band, and its seed.
POINTS, DRAWS, SEED = 121, 400, 20261130
#: End of the axis as a multiple of the last day.
BEYOND: Final = 1.03
#: Diameter of the largest and of the smallest mark, in points.
LARGEST, SMALLEST = 7.0, 2.0
#: Colour and marker of each arm by the ending of its columns, what it is called, and its place in bands.
ARMS: Final = (("c", VERMILLION, "s", "comparison"), ("t", BLUE, "o", "programme"))
#: Dates by the endings of columns.
DATES: Final = ("", "_2", "_3")


@dataclass(frozen=True, slots=True)
class ReturnBands:
    """Two curves with their bands."""

    day: Array  #: Shape (point,).
    #: Comparison, programme: shares back in the middle and at the ends of their bands, each (3, point).
    arms: tuple[Array, Array]
    called: tuple[str, str]  #: What each band is.
    #: Ends of a further band of the programme, (2, point); None where there is none.
    dashed: tuple[Array, str] | None
    notes: tuple[str, ...]  #: Sentences beneath.

    def said(self, days: Sequence[float] = (0.25, 0.5, 1.0)) -> str:
        """Put shares at some parts of the time into words."""
        found = []
        for part in days:
            at = round(part * (len(self.day) - 1))
            both = []
            for name, arm in zip(("comparison", "programme"), self.arms, strict=True):
                middle, low, high = 100.0 * arm[:, at]
                band = f" ({low:.0f} to {high:.0f})" * bool(high > low)
                both.append(f"{name} {middle:.0f}%{band}")
            found.append(f"Back at work by day {self.day[at]:.0f}: {', '.join(both)}.")
        return " ".join(found)


def _frame(
    source: Synthesis | xr.DataTree,
    *,
    evidence: Evidence | None = None,
    horizon: float = 365.0,
    ci_prob: float = 0.95,
) -> Frame:
    """Draw the curves of return of both arms, averaged over the studies that tell one.

    The comparison is the mean of the studies' own curves, and the programme the same under the pooled hazard
    ratio: 400 draws of effects from the posterior, and for each the curve of every study given its effect and
    all that it reports. Studies with a hazard ratio tell no curve. Marks are the studies' own numbers: shares
    back by a date, medians and quartiles.

    Parameters
    ----------
    source
        A synthesis, or what `fit` returned, with the likelihood `return_to_work`.
    evidence
        What was pooled, where `source` is a tree.
    horizon
        Last day.
    ci_prob
        Probability of the bands, in (0, 1).

    Returns
    -------
    Frame
        Across days, upwards per cent of people who are back.

    Raises
    ------
    SpecError
        If no row tells a curve: then state one, ``brw.currencies.answers(...).plot()``.
    """
    rows = evidence_of(source, evidence, "plot_returns")
    bands = _read(source, rows, horizon, ci_prob)
    return framed(bands, rows, caveat=subject_of(source).caveat)


def _read(
    source: Synthesis | xr.DataTree, rows: Evidence, horizon: float, ci_prob: float
) -> ReturnBands:
    """Average the curves of studies over draws of their effects."""
    if not (horizon > 0 and 0 < ci_prob < 1):
        raise SpecError(
            f"plot_returns: horizon is {horizon!r} and ci_prob {ci_prob!r}; give positive days, and a "
            "probability between 0 and 1."
        )
    tree = tree_of(source)
    speaks = models_of(tree)[0].likelihood.offers.speaks
    posterior = tree["posterior"].to_dataset() if "posterior" in tree else xr.Dataset()
    if speaks is None:
        raise SpecError(
            "plot_returns: this model hears no curve of return; use the likelihood 'return_to_work', or "
            "state a curve: brw.currencies.answers(...).plot()."
        )
    names = ("theta", pooled_of(tree))
    if any(name not in posterior for name in names):
        raise SpecError(
            "plot_returns: the fit has no draws of study effects; fit with Exact(), which draws them."
        )
    theta, pooled = (posterior[name].to_numpy() for name in names)
    theta, pooled = theta.reshape(-1, theta.shape[-1]), pooled.ravel()
    some = np.linspace(0, len(pooled) - 1, min(DRAWS, len(pooled))).astype(np.intp)
    curves = speaks.drawn_curves(rows, theta[some], SEED)
    if not curves:
        raise SpecError(
            "plot_returns: every row reports a hazard ratio, so that none tells a curve of return; state "
            "one: brw.currencies.answers(...).plot()."
        )
    day = np.linspace(0.0, horizon, POINTS)[:, None]
    levels = [0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2]
    own = list(curves.values())
    arms = [
        np.quantile(np.mean([back(curve, day) for curve in each], axis=0), levels, axis=1)
        for each in (own, [speaks.treated(curve, pooled[some]) for curve in own])
    ]
    percent = f"{100 * ci_prob:g}%"
    of = f"{len(curves)} {'study' if len(curves) == 1 else 'studies'}"
    notes = (
        f"Means of the curves of {of} that tell one: the comparison "
        f"as people returned there, and the same under the pooled hazard ratio; {percent} bands. "
        f"{speaks.assumed}; recurrent absence is not counted.",
    )
    called = ("comparison, mean of the studies' curves", "the same under the pooled hazard ratio")
    return ReturnBands(day[:, 0], (arms[0], arms[1]), called, None, notes)


def framed(bands: ReturnBands, rows: Evidence, *, caveat: str) -> Frame:
    """Lay out curves, bands and the marks of studies."""
    every = {arm: own_numbers(rows, arm) for arm, *_ in ARMS}
    end = BEYOND * float(bands.day[-1])
    marks = {arm: own[own[:, 0] <= end] for arm, own in every.items()}
    later = sum(len(own) - len(marks[arm]) for arm, own in every.items())
    legend = [
        (Sample(color, 1.4), name)
        for (_, color, _, _), name in zip(ARMS, bands.called, strict=True)
    ]
    if bands.dashed is not None:
        legend.append((Sample(BLUE, 1.0, dash=DASHES), bands.dashed[1]))
    legend += [
        (Sample(color, marker=marker, size=4.0), f"a study's own number, {called}")
        for arm, color, marker, called in ARMS
        if len(marks[arm])
    ]
    sized = " The area of a mark is its people." * any(len(each) for each in marks.values())
    sized += f" Own numbers of later days: {later}." * bool(later)
    frame = Frame(
        kind="Return to work",
        described=" ".join(["Curves of return to work.", bands.said(), *bands.notes]),
        x=Side("Day", 0.0, end),
        y=Side("Back at work, %", 0.0, 100.0),
        height=0.75,
        legend=tuple(legend),
        notes=(*bands.notes[:-1], bands.notes[-1] + sized),
        caveat=caveat,
    )

    def paint(axes: Axes) -> None:
        for (arm, color, marker, called), band in zip(ARMS, bands.arms, strict=True):
            middle, low, high = 100.0 * band
            axes.fill_between(
                bands.day, low, high, color=color, alpha=0.18, linewidth=0, gid=f"band-{called}"
            )
            axes.plot(
                bands.day, middle, color=color, linewidth=1.4, gid=f"curve-{called}", zorder=3
            )
            own = marks[arm]
            largest = max(
                (float(each[:, 2].max()) for each in marks.values() if len(each)), default=1.0
            )
            if len(own):
                axes.scatter(
                    own[:, 0],
                    100.0 * own[:, 1],
                    s=np.maximum(LARGEST**2 * own[:, 2] / largest, SMALLEST**2),
                    marker=marker,
                    facecolor=color,
                    edgecolor="white",
                    linewidths=0.5,
                    alpha=0.85,
                    zorder=4,
                    clip_on=False,
                    gid=f"numbers-{called}",
                )
        if bands.dashed is not None:
            for end in bands.dashed[0]:
                axes.plot(bands.day, 100.0 * end, color=BLUE, linewidth=1.0, linestyle=DASHES)

    return replace(frame, paint=paint)


def own_numbers(rows: Evidence, arm: str) -> Array:
    """Give what studies report of an arm on its curve: day, share back, people; shape (mark, 3)."""

    def column(name: str) -> Array:
        if name not in rows.data or rows.data[name].dtype == object:
            return np.full(rows.size, np.nan)
        return np.asarray(rows.data[name].to_numpy(), dtype=np.float64)

    people, found = column(f"n_{arm}"), list[tuple[Array, Array, Array]]()
    for end in DATES:
        counted, told = column(f"events_{arm}{end}") / people, column(f"share_{arm}{end}")
        width = column(f"share_{arm}_high{end}") - column(f"share_{arm}_low{end}")
        behind = told * (1.0 - told) * (2.0 * HALF / np.where(width > 0, width, np.nan)) ** 2
        share = np.where(np.isfinite(counted), counted, told)
        found.append((column(f"at{end}"), share, np.where(people > 0, people, behind)))
    for name, quantile in (("median", 0.5), ("q1", 0.25), ("q3", 0.75)):
        found.append((column(f"{name}_{arm}"), np.full(rows.size, quantile), people))
    days, shares, own = (np.concatenate(each) for each in zip(*found, strict=True))
    kept = np.isfinite(days) & np.isfinite(shares)
    return np.column_stack([days, shares, np.where(own > 0, own, 1.0)])[kept]


plot_returns, describe_returns = verbs(_frame, draw_frame, width_mm=COLUMN_MM)
