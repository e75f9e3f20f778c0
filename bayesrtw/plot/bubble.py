"""Bubble plot: effects against a numeric moderator, with the line that the model draws through them.

arviz-plots' `plot_lm` draws lines and bands of predictions from draws; here line and bands are exact, and
bubbles show what each estimate weighs.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bayesrtw.analysis.run import Synthesis
from bayesrtw.errors import SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.translated import own_values
from bayesrtw.plot.figure import BLUE, INK, QUIET, SKY, VERMILLION, figure_style
from bayesrtw.plot.fitted import interval_in
from bayesrtw.plot.frame import COLUMN_MM, Frame, Side, draw_frame
from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.rows import Interval, spell_interval
from bayesrtw.plot.scale import limits
from bayesrtw.plot.strip import DASHES, Sample
from bayesrtw.plot.subject import Subject, evidence_of, subject_of, summary_of, tree_of
from bayesrtw.posterior.stored import shares_in
from bayesrtw.posterior.tree import model_of, pooled_of
from bayesrtw.question.predict import expecting, predict
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Points of the line.
POINTS = 50

#: Diameter of the largest bubble and of the smallest, in points.
LARGEST, SMALLEST = 11.0, 2.5

#: Names of marks: ids in an SVG.
BUBBLES, LINE = "estimates", "mean-effect"


@dataclass(frozen=True, slots=True)
class _Content:
    subject: Subject
    column: str
    x: Array
    effect: Array
    size: Array
    area: str
    line: "pd.DataFrame"
    said: tuple[str, ...]

    @property
    def described(self) -> str:
        """The plot in words."""
        return " ".join(self.said)


def plot_bubble(
    source: Synthesis | xr.DataTree,
    moderator: str = "",
    *,
    evidence: Evidence | None = None,
    ci_prob: float = 0.95,
    width_mm: float = COLUMN_MM,
    ax: Axes | None = None,
) -> Axes:
    """Draw effects against a numeric moderator.

    Parameters
    ----------
    source
        A synthesis, or what `fit` returned.
    moderator
        Column of a `Linear` term of the model; may be left out where there is one.
    evidence
        What was pooled, where `source` is a tree.
    ci_prob
        Probability of the bands, in (0, 1).
    width_mm
        Width of the figure in millimetres.
    ax
        Empty axes whose place on their figure is used; None makes a figure.

    Returns
    -------
    Axes
        Across the moderator in its own units; upwards effects on the reported scale (ratios on a
        logarithmic axis). The area of a bubble is the estimate's weight in the pooled effect, and its
        precision where the engine gives no weights.

    Raises
    ------
    SpecError
        If the model has no such moderator, or `ax` or `width_mm` is too small.
    """
    moderator = moderator or _the_line(tree_of(source))
    content = _read(source, moderator, evidence, ci_prob)
    subject, line = content.subject, content.line
    margin = 0.06 * float(np.ptp(content.x))
    low, high = limits(
        content.effect,
        content.effect,
        pooled=line[["lower", "upper"]].to_numpy().ravel(),
        levels=np.zeros(0),
        new=line[["new_lower", "new_upper"]].to_numpy().ravel(),
        measure=subject.measure,
    )
    percent = f"{100 * ci_prob:g}%"
    title = one_line(moderator.replace("_", " "))
    years = bool(np.all((content.x >= 1900) & (content.x < 2100)))
    spread = not np.allclose(line["new_upper"], line["upper"])
    legend = [
        (Sample(QUIET, marker="o", size=5.0), f"estimate; area: {content.area}"),
        (Sample(BLUE, 1.4), "mean effect"),
        (Sample(SKY, area=True), f"its {percent} interval"),
    ]
    if spread:
        legend.append((Sample(VERMILLION, 1.0, dash=DASHES), f"new setting, {percent} interval"))
    frame = Frame(
        kind=f"Effects by {title}",
        described=content.described,
        x=Side(
            title[:1].upper() + title[1:],
            float(content.x.min()) - margin,
            float(content.x.max()) + margin,
            plain=years,
        ),
        y=Side(subject.axis_title, low, high, subject.measure, subject.direction),
        height=0.72,
        legend=tuple(legend),
        notes=(" ".join(content.said[1:]),),
        caveat=subject.caveat,
    )
    with figure_style():
        axes = draw_frame(frame, ax=ax, width_mm=width_mm)
        _line(axes, content, (low, high), spread=spread)
        axes.axhline(subject.measure.null, color=INK, linewidth=0.6, zorder=1)
        _bubbles(axes, content, (low, high))
    return axes


def describe_bubble(
    source: Synthesis | xr.DataTree,
    moderator: str,
    *,
    evidence: Evidence | None = None,
    ci_prob: float = 0.95,
) -> str:
    """Put the picture in words for who cannot see it.

    Parameters
    ----------
    source, moderator, evidence, ci_prob
        As in `plot_bubble`.

    Returns
    -------
    str
        The slope, and the mean effect at either end.
    """
    return _read(source, moderator, evidence, ci_prob).described


def _line(axes: Axes, content: _Content, ends: tuple[float, float], *, spread: bool) -> None:
    """Draw the mean effect with its band, and the ends of a new setting's interval."""
    (low, high), line, back = ends, content.line, content.subject.measure.back
    at = line.index.to_numpy(dtype=np.float64)
    clipped = {name: back(np.clip(line[name].to_numpy(), low, high)) for name in line.columns}
    axes.fill_between(at, clipped["lower"], clipped["upper"], color=SKY, alpha=0.35, linewidth=0)
    for name in ("new_lower", "new_upper") if spread else ():
        inside = (line[name].to_numpy() > low) & (line[name].to_numpy() < high)
        axes.plot(
            at[inside], clipped[name][inside], color=VERMILLION, linewidth=1.0, linestyle=DASHES
        )
    axes.plot(at, clipped["median"], color=BLUE, linewidth=1.4, gid=LINE, zorder=4)


def _bubbles(axes: Axes, content: _Content, ends: tuple[float, float]) -> None:
    """Draw the estimates, the heaviest behind; what lies beyond the axis is a triangle at its end."""
    low, high = ends
    back = content.subject.measure.back
    order = np.argsort(-content.size, kind="stable")
    x, effect, size = content.x[order], content.effect[order], content.size[order]
    shown = (effect >= low) & (effect <= high)
    axes.scatter(
        x[shown],
        back(effect[shown]),
        s=np.maximum(LARGEST**2 * size[shown], SMALLEST**2),
        facecolor=QUIET,
        alpha=0.55,
        edgecolor="white",
        linewidths=0.5,
        zorder=3,
        gid=BUBBLES,
    )
    for beyond, end, marker in ((effect < low, low, "v"), (effect > high, high, "^")):
        axes.scatter(
            x[beyond],
            np.full(int(beyond.sum()), float(back(end))),
            s=16.0,
            marker=marker,
            color=QUIET,
            linewidths=0,
            clip_on=False,
            zorder=3,
        )


def _the_line(tree: xr.DataTree) -> str:
    """Give the one numeric moderator of a model, or say what could be given."""
    lines = [each.column for each in model_of(tree).moderators if each.shape == "line"]
    if len(lines) == 1:
        return lines[0]
    if lines:
        raise SpecError(
            f"plot_bubble: the model has {len(lines)} numeric moderators; name one, "
            f"plot_bubble(source, {lines[0]!r}), or synthesis.plot('bubble', moderator={lines[0]!r}). "
            f"Choices: {shown(lines)}."
        )
    raise SpecError(
        "plot_bubble: the model has no numeric moderator; add a term of one, Linear('year', prior), and fit "
        "again, or draw plot_forest(source)."
    )


def _read(
    source: Synthesis | xr.DataTree, moderator: str, evidence: Evidence | None, ci_prob: float
) -> _Content:
    tree, subject = tree_of(source), subject_of(source)
    rows = evidence_of(source, evidence, "plot_bubble")
    if moderator not in rows.data or rows.data[moderator].dtype == object:
        raise SpecError(f"plot_bubble: {moderator!r} is no numeric column of the evidence.")
    lines = [each.column for each in model_of(tree).moderators if each.shape == "line"]
    if moderator not in lines:
        raise SpecError(
            f"plot_bubble: moderator is {moderator!r}; the model has no numeric moderator of that name. "
            f"{suggestion(moderator, lines)}"
        )
    x = rows.data[moderator].to_numpy().astype(np.float64)
    at = np.linspace(float(x.min()), float(x.max()), POINTS)
    whole = expecting(model_of(tree), rows, tree)
    line = predict(whole, at={moderator: at.tolist()}, ci_prob=ci_prob)
    summary = summary_of(source, ci_prob)
    slope = interval_in(summary, f"beta[{moderator}]")
    quadrature = tree["quadrature"].to_dataset() if "quadrature" in tree.children else xr.Dataset()
    shares = shares_in(quadrature, pooled_of(tree))
    if shares is not None:
        area, size = "weight", np.abs(shares[0])
    else:
        area, size = "precision, 1/se²", 1.0 / rows.data["se"].to_numpy().astype(np.float64) ** 2
    words = one_line(moderator.replace("_", " "))
    said = [f"Bubble plot of {len(x)} estimates ({subject.measure.title.lower()}) against {words}."]
    if slope is not None:
        # A slope per unit can be tiny: the decimals are those of its own interval.
        places = subject.measure.places(slope.lower, slope.upper)
        kind = "Ratio" if subject.measure.log else "Difference"
        [own] = [each for each in model_of(tree).moderators if each.column == moderator]
        said.append(
            f"{kind} for each {own.unit} of {words}: {spell_interval(slope, subject.measure, places)}."
        )
    for place in (0, -1):
        row = line.iloc[place]
        interval = Interval(float(row["median"]), float(row["lower"]), float(row["upper"]))
        places = subject.measure.places(interval.lower, interval.upper)
        said.append(
            f"Mean effect at {at[place]:g}: {spell_interval(interval, subject.measure, places)}."
        )
    effect = tree["observed_data"].to_dataset()["effect"].to_numpy().astype(np.float64)
    for place, (centre, *_) in own_values(model_of(tree).likelihood, rows, ci_prob).items():
        effect[place] = centre
    return _Content(
        subject,
        moderator,
        x,
        effect,
        np.asarray(size / size.max(), dtype=np.float64),
        area,
        line,
        tuple(said),
    )
