"""Effects by category: the mean of each level of a moderator, and a new setting of that level.

arviz-plots' `plot_forest` could draw the level means from draws; the intervals here are exact, on the
reported scale, and stand beside the number of estimates that carry them.
"""

from dataclasses import replace

import numpy as np
import xarray as xr

from bayesrtw.analysis.run import Synthesis
from bayesrtw.dims import CHAIN, DRAW, LEVEL
from bayesrtw.errors import SpecError
from bayesrtw.model.spec import NEW
from bayesrtw.plot.fitted import LEVEL_OF, interval_in, number_in, read_forest
from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.page import draw_page
from bayesrtw.plot.rows import Column, Forest, Interval, Row, effect_column
from bayesrtw.plot.subject import summary_of, tree_of
from bayesrtw.plot.verbs import verbs
from bayesrtw.posterior.stored import effect_in
from bayesrtw.posterior.tree import which_of
from bayesrtw.printed import spell_probability
from bayesrtw.registry import suggestion


def _read(source: Synthesis | xr.DataTree, moderator: str, *, ci_prob: float = 0.95) -> Forest:
    """Draw the mean effect of each level of a moderator, and beneath it that in a new setting.

    Parameters
    ----------
    source
        A synthesis, or what `fit` returned.
    moderator
        Column of a categorical moderator of the model.
    ci_prob
        Probability of every interval, in (0, 1).

    Returns
    -------
    Forest
        The axis of effects, as of `plot_forest`.
    """
    tree, summary = tree_of(source), summary_of(source, ci_prob)
    whole = read_forest(source, group_by=None, ci_prob=ci_prob)
    prefix = f"mu_level[{moderator}["
    names = [str(name) for name in summary.index if str(name).startswith(prefix)]
    if not names:
        have = {
            str(label).split("[", 1)[0]
            for label in summary.loc[summary["variable"] == "mu_level", "label"]
        }
        raise SpecError(
            f"plot_categories: moderator is {moderator!r}; {suggestion(moderator, sorted(have))}"
        )
    groups = [str(it) for it in tree["constant_data"].to_dataset()[LEVEL_OF + moderator].to_numpy()]
    rows, counts, chances = [], [], []
    for name in names:
        level = name[len(prefix) : -2]
        label = one_line(level.replace("_", " "))
        new = _new(tree, f"{moderator}[{level}]", ci_prob)
        rows.append(
            Row("level", label[:1].upper() + label[1:], interval_in(summary, name), new=new)
        )
        counts.append(str(groups.count(level)))
        chances.append(spell_probability(number_in(summary, name, "probability")))
    for mean in NEW:
        which = which_of(tree, mean)
        rows.append(Row("pooled", f"Mean, {which}", interval_in(summary, mean)))
        counts.append(str(len(groups)))
        chances.append(spell_probability(number_in(summary, mean, "probability")))
    heading = one_line(moderator.replace("_", " "))
    legend = [("mean", f"mean effect, {whole.percent} interval")]
    if any(row.new for row in rows):
        legend.append(
            ("beneath", f"effect in a new setting of that kind, {whole.percent} interval")
        )
    return replace(
        whole,
        kind=f"Effects by {heading}",
        subject=heading[:1].upper() + heading[1:],
        rows=tuple(rows),
        before=(Column("Estimates", tuple(counts)),),
        columns=(
            effect_column(rows, whole.measure, whole.unit, whole.percent, whole.places),
            *([Column(whole.direction.event, tuple(chances))] if whole.direction.event else []),
        ),
        legend=tuple(legend),
        phrases=True,
        notes=(
            "Levels are compared across studies, not within them: other differences between the "
            "studies may stand behind them.",
        ),
    )


def _new(tree: xr.DataTree, label: str, ci_prob: float) -> Interval | None:
    """Give the effect in a new setting of a level: its mean, and the heterogeneity of a new setting."""
    ends = (0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2)
    if "quadrature" in tree.children:
        source = tree["quadrature"].to_dataset()
        if "theta_new_sd" not in source:
            return None
        level, mean, new = (
            effect_in(source, *which) for which in (("mu_level", label), ("mu",), ("theta_new",))
        )
        wide = level.widened(np.maximum(new.sd**2 - mean.sd**2, 0.0))
        return Interval(*(float(end) for end in wide.quantile(ends)))
    draws = tree["posterior"].to_dataset()
    if "theta_new" not in draws:
        return None
    values = draws["mu_level"].sel({LEVEL: label}) + draws["theta_new"] - draws["mu"]
    return Interval(*(float(values.quantile(q, dim=(CHAIN, DRAW))) for q in ends))


plot_categories, describe_categories = verbs(_read, draw_page, width_mm=170.0)
