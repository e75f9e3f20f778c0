"""Prior against posterior of one quantity: what the data added.

arviz-plots has `plot_prior_posterior`; it draws kernel estimates of draws of both groups on the
analysis scale. Here the prior is its own density and the posterior that of the exact engine.
"""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayesrtw.analysis.run import Synthesis
from bayesrtw.model.spec import NEW
from bayesrtw.model.term import Hyper, told_apart
from bayesrtw.plot.density import (
    Curve,
    OneDensity,
    posterior_curve,
    prior_curve,
    prior_of,
    quantity_named,
)
from bayesrtw.plot.figure import BLUE, INK, QUIET, SKY
from bayesrtw.plot.fitted import number_in
from bayesrtw.plot.frame import COLUMN_MM, Frame, Side, draw_frame
from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.rows import Interval, spell_interval
from bayesrtw.plot.strip import DASHES, THICK, Sample
from bayesrtw.plot.subject import Subject, subject_of, summary_of, tree_of
from bayesrtw.plot.verbs import verbs
from bayesrtw.posterior.tree import hyper_of, pooled_of, which_of
from bayesrtw.printed import decimals, spell, spell_probability

#: Names of the curves: ids in an SVG.
PRIOR_CURVE, POSTERIOR_CURVE = "prior-density", "posterior-density"

#: The axis shows a prior as far as this many widths of the posterior; a vague one goes on beyond.
REACH = 2.0

#: Room beneath a curve for the interval, as a share of its height.
BENEATH = 0.1


@dataclass(frozen=True, slots=True)
class _Content:
    title: str
    subject: Subject
    spread: bool
    coefficient: bool
    interval: Interval
    posterior: Curve
    prior: Curve | None
    numbers: str

    @property
    def described(self) -> str:
        """The picture in words."""
        return f"Prior and posterior density. {self.title}. {self.numbers}"


def _frame(
    source: Synthesis | xr.DataTree,
    quantity: str = "",
    *,
    ci_prob: float = 0.95,
) -> Frame:
    """Draw the prior and the posterior density of a quantity.

    Parameters
    ----------
    source
        A synthesis, or what `fit` returned.
    quantity
        Its name in `summarise`: ``"mu"``, ``"tau"``, ``"beta[year]"``, ``"mu_level[setting[clinic]]"``; the
        pooled mean that is the headline unless given.
    ci_prob
        Probability of the interval drawn beneath, in (0, 1).

    Returns
    -------
    Frame
        Across in units of the reported scale (ratios on a logarithmic axis, the density per unit of
        the log ratio); a heterogeneity SD on the analysis scale.
    """
    content = _read(source, quantity, ci_prob)
    subject = content.subject
    effect = not content.spread
    direction = subject.direction if effect and not content.coefficient else None
    low, high = _range(content)
    tall = max(
        float(curve.density[(curve.x >= low) & (curve.x <= high)].max(initial=0.0))
        for curve in (content.posterior, content.prior)
        if curve is not None
    )
    legend = [
        (Sample(BLUE, 1.4), "posterior"),
        (Sample(BLUE, THICK, "o", 4.5), f"median and {100 * ci_prob:g}% interval"),
    ]
    if content.prior is not None:
        legend.insert(1, (Sample(QUIET, 1.0, dash=DASHES), "prior"))
    frame = Frame(
        kind="Prior and posterior",
        described=content.described,
        x=Side(content.title, low, high, subject.measure if effect else None, direction),
        y=Side("", -BENEATH * tall, 1.06 * tall, bare=True),
        height=0.55,
        legend=tuple(legend),
        notes=(content.numbers,),
        caveat=subject.caveat,
    )

    def paint(axes: Axes) -> None:
        back = subject.measure.back if effect else np.asarray
        draw_posterior(axes, content.posterior, back(content.posterior.x), fill=True)
        if content.prior is not None:
            axes.plot(
                back(content.prior.x),
                content.prior.density,
                color=QUIET,
                linewidth=1.0,
                linestyle=DASHES,
                gid=PRIOR_CURVE,
                zorder=3,
            )
        if effect:
            null = 1.0 if content.coefficient and subject.measure.log else subject.measure.null
            axes.axvline(null, color=INK, linewidth=0.6, zorder=1)
        it = content.interval
        draw_interval(axes, back([it.lower, it.centre, it.upper]), -0.5 * BENEATH * tall, BLUE)

    return replace(frame, paint=paint)


def draw_posterior(axes: Axes, curve: Curve, x: np.ndarray, *, fill: bool) -> None:
    """Draw a posterior density: `x` (point,)."""
    if fill:
        axes.fill_between(x, 0.0, curve.density, color=SKY, alpha=0.35, linewidth=0, zorder=1.5)
    axes.plot(x, curve.density, color=BLUE, linewidth=1.4, gid=POSTERIOR_CURVE, zorder=3)


def draw_interval(axes: Axes, places: np.ndarray, y: float, color: str) -> None:
    """Draw an interval and its median beneath a curve: `places` (3,)."""
    axes.plot(places[[0, 2]], [y, y], color=color, linewidth=THICK, solid_capstyle="butt", zorder=3)
    axes.plot(places[1:2], [y], "o", color=color, markersize=4.5, markeredgewidth=0, zorder=4)


def _read(source: Synthesis | xr.DataTree, name: str, ci_prob: float) -> _Content:
    tree, subject = tree_of(source), subject_of(source)
    name = name or pooled_of(tree)
    quantity = quantity_named(tree, name)
    summary = summary_of(source, ci_prob)
    hypers = hyper_of(tree)
    spread = quantity.variable in hypers
    interval = Interval(*(number_in(summary, name, end) for end in ("median", "lower", "upper")))
    posterior, prior = posterior_curve(tree, quantity), prior_of(tree, quantity)
    title = axis_title(quantity, subject)
    if spread:
        title = _hyper_title(hypers, quantity.variable, subject)
    percent = f"{100 * ci_prob:g}%"
    which = which_of(tree, quantity.variable)
    numbers = f"{which[:1].upper()}{which[1:]}. " if which else ""
    numbers += (
        f"Posterior median {_spelt(interval, interval, subject, spread=spread)}, {percent} interval"
    )
    direction = subject.direction
    if not spread and quantity.variable != "beta" and direction.event:
        chance = spell_probability(number_in(summary, name, "probability"))
        numbers += f"; probability {direction.said} {chance}"
    drawn = None
    if prior is not None:
        low, high = float(posterior.x[0]), float(posterior.x[-1])
        reach = REACH * (high - low)
        drawn = prior_curve(prior, low if spread else low - reach, high + reach)
        if prior.proper:
            at = [float(prior.ppf(q)) for q in (0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2)]
            numbers += f". Prior: {_spelt(Interval(*at), interval, subject, spread=spread)}"
    return _Content(
        title,
        subject,
        spread,
        quantity.variable == "beta",
        interval,
        posterior,
        drawn,
        f"{numbers}.",
    )


def _spelt(shown: Interval, like: Interval, subject: Subject, *, spread: bool) -> str:
    """Print an interval with the decimals that suit another one."""
    if not spread:
        places = subject.measure.places(like.lower, like.upper)
        return spell_interval(shown, subject.measure, places)
    places = max(2, decimals([(like.upper - like.lower) / 2], log=False))
    centre, lower, upper = (
        spell(value, log=False, places=places) for value in (shown.centre, shown.lower, shown.upper)
    )
    return f"{centre} ({lower} to {upper})"


def _hyper_title(hypers: dict[str, Hyper], name: str, subject: Subject) -> str:
    """Say what is on the axis of a hyperparameter, with its unit."""
    hyper = hypers[name]
    title = f"{hyper.title}{told_apart(hypers)[name]}"
    if hyper.what == "sd of effects":
        title = f"{title}, SD of true effects"
    if not hyper.on_scale:
        return title
    scale = (
        " on the log scale" if subject.measure.log else f", {subject.unit}" if subject.unit else ""
    )
    return f"{title}{scale}"


def axis_title(quantity: OneDensity, subject: Subject) -> str:
    """Say what is on the axis of a quantity that is no hyperparameter."""
    measure, variable = subject.measure, quantity.variable
    column, _, level = one_line(quantity.label.replace("_", " ")).partition("[")
    words = f"{column}: {level.removesuffix(']')}" if level else column
    kind = subject.axis_title[:1].lower() + subject.axis_title[1:]
    if variable == "beta":
        per = f"{words}, against the mean" if level else f"for one more of {words}"
        short = measure.title[:1].lower() + measure.title[1:]
        return f"Ratio of {short}s, {per}" if measure.log else f"Difference of {short}s, {per}"
    named = {
        **dict.fromkeys(NEW, "Pooled effect"),
        **dict.fromkeys(NEW.values(), "Effect in a new setting"),
    }
    name = named.get(variable, words[:1].upper() + words[1:])
    return f"{name}, {kind}"


def _range(content: _Content) -> tuple[float, float]:
    """Limits: the posterior, no effect, and the prior as far as it can be seen beside it."""
    x = content.posterior.x
    low, high = float(x[0]), float(x[-1])
    if content.spread:
        return low, high
    width = high - low
    if content.prior is not None:
        seen = content.prior.density > 0.02 * content.prior.density.max()
        inside = content.prior.x[seen]
        low = min(low, max(float(inside[0]), low - 0.6 * width))
        high = max(high, min(float(inside[-1]), high + 0.6 * width))
    return min(low, -0.05 * width), max(high, 0.05 * width)


plot_prior_posterior, describe_prior_posterior = verbs(_frame, draw_frame, width_mm=COLUMN_MM)
