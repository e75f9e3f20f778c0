"""League tables: every treatment of a network against every other, exactly, in both directions of reading."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesrtw.engine.fitted import Expects
from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.treatments import Treatments, treatments_of
from bayesrtw.pictured import Drawing, Pictured, as_html
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.printed import spell_chance, spell_probability, with_interval
from bayesrtw.question.answer import table_as_html
from bayesrtw.question.asked import About, Subject, size_of
from bayesrtw.question.predict import expects
from bayesrtw.question.table import quantiles

#: Levels of an index of pairs: the first is read against the second.
PAIR = ("treatment", "against")


@dataclass(frozen=True, slots=True, eq=False)
class League(Pictured):
    """Every treatment against every other.

    Attributes
    ----------
    table
        One row an ordered pair, index ``treatment, against``: ``mean, sd, median, lower, upper`` of the
        effect of the first against the second, analysis scale, and ``better``, the probability that the first
        is better by more than the threshold; where nobody stated which effects are good, that its effect is
        above no effect. The row of the inverse pair says the same the other way round.
    names
        The treatments, in their order.
    ci_prob
        Probability of the central intervals.
    threshold
        Size of a difference beyond which it counts, analysis scale.
    new
        Whether effects are those in a new setting.
    about
        What was asked.
    """

    table: pd.DataFrame
    names: tuple[str, ...]
    ci_prob: float
    threshold: float
    new: bool
    about: About

    @property
    def cells(self) -> pd.DataFrame:
        """The league as it is printed: the treatment of the row against that of the column.

        Returns
        -------
        DataFrame
            Text on the reported scale, ``1.08 (0.91 to 1.28)``; ratios below and above the diagonal are
            inverse to one another, differences opposite.
        """
        measure = self.about.evidence.measure
        places = measure.places(self.table["lower"].to_numpy(), self.table["upper"].to_numpy())
        ends = {
            name: measure.back(self.table[name].to_numpy()) for name in ("median", "lower", "upper")
        }
        said = [
            with_interval(*map(float, each), log=measure.ratio, places=places)
            for each in zip(*ends.values(), strict=True)
        ]
        return self._wide(said, "")

    @property
    def better(self) -> pd.DataFrame:
        """The probability that the treatment of the row is better than that of the column.

        Returns
        -------
        DataFrame
            One row and one column a treatment; empty on the diagonal.
        """
        return self._wide(self.table["better"].tolist(), np.nan)

    @property
    def said(self) -> str:
        """What `better` is the probability of, in words."""
        direction = self.about.evidence.direction
        beyond = "" if not self.threshold else f" by more than {self.threshold:g} (analysis scale)"
        if direction.benefit:
            return f"P(row better than column{beyond})"
        return f"P(row above column{beyond})"

    def _wide(self, values: Sequence[str] | Sequence[float], empty: str | float) -> pd.DataFrame:
        """Lay values of ordered pairs, as the table has them, as rows against columns."""
        count = len(self.names)
        grid = np.full((count, count), empty, dtype=object if empty == "" else np.float64)
        grid[~np.eye(count, dtype=bool)] = values
        rows, columns = (pd.Index(self.names, name=name) for name in PAIR)
        return pd.DataFrame(grid, rows, columns)

    def _pictures(self) -> Mapping[str, Drawing | str]:
        return {"league": Drawing((self,))}

    def _words(self) -> str:
        title = self.about.evidence.measure.title.lower()
        new = " in a new setting" if self.new else ""
        cells, said = self.cells, []
        base = self.names[0]
        direction = self.about.evidence.direction
        event = "P(better)" if direction.benefit else direction.event
        for name in self.names[1:]:
            chance = float(self.table.loc[(name, base), "better"])  # type: ignore[arg-type]
            said.append(f"{name} {cells.loc[name, base]!s}, {spell_chance(event, chance)}")
        return self.about.said(
            f"League of {len(self.names)} treatments: {title}{new} of the row's treatment against the "
            f"column's, {100 * self.ci_prob:g} % intervals. Against {base}: {'; '.join(said)}."
        )

    def _repr_html_(self) -> str:
        """Give the league and the probabilities, for a notebook."""
        chances = self.better.map(spell_probability)
        tables = [table_as_html(self.cells), table_as_html(chances)]
        return as_html("League table", [self._words(), f"{self.said}."], tables)


def league(
    model: Subject | Expects,
    evidence: Evidence | None = None,
    *,
    treatments: Sequence[str] | None = None,
    ci_prob: float = 0.95,
    threshold: float = 0.0,
    threshold_ratio: float | None = None,
    new: bool = False,
) -> League:
    """Hold every treatment of a network against every other.

    Treatments are the distinct arms of the rows, also where they are sets of components: two of them that
    nobody compared are compared by what they consist of. Every cell is the exact posterior of a combination
    of coefficients, and reads as the treatment of the row against that of the column.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; a term says what arms consist of.
    treatments
        Which, in the order of the table; all unless given.
    ci_prob
        Probability of the central intervals.
    threshold
        Size of a difference beyond which one treatment counts as better, >= 0, analysis scale.
    threshold_ratio
        The same as a ratio, of either side: 0.8 and 1.25 are one size.
    new
        Whether effects are those in a new setting, with heterogeneity, in place of mean effects.

    Returns
    -------
    League
        ``table``, one row an ordered pair; ``cells``, as printed; ``better``, probabilities.

    Raises
    ------
    SpecError
        If no term says what arms consist of, a treatment does not occur, or the threshold is negative.
    EngineRefusal
        If the model gives no neighbours; the message says what stands in the way.

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": ["A", "A", "B", "B"], "arm": ["none", "x", "none", "y"],
    ...                       "mean": [0.0, 1.0, 0.2, 0.4], "se": 0.3})
    >>> evidence = brw.Evidence.from_arms(frame, benefit="higher")
    >>> parts = brw.terms.Components(brw.prior.Normal(0, 2), arm="arm", none=("none",))
    >>> arms = brw.terms.Arms(brw.prior.HalfNormal(0.5), baseline=brw.prior.Normal(0, 10))
    >>> found = brw.network.league(brw.Model(terms=(parts, arms)), evidence)
    >>> bool(found.better.loc["x", "none"] > 0.9)
    True
    """
    if not threshold >= 0:
        raise SpecError(f"threshold is the size of a difference, >= 0; found {threshold!r}.")
    whole = expects(model, evidence)
    network = treatments_of(whole.model, whole.evidence)
    order = network.places(treatments)
    pairs = [(one, other) for place, one in enumerate(order) for other in order[:place]]
    columns = np.array([network.difference(*pair) for pair in pairs])
    found = whole.mean_at(columns, new=new)
    threshold = size_of(threshold, threshold_ratio, whole.evidence.measure)
    table = figures(whole, found, ci_prob, threshold)
    inverse = pd.DataFrame(
        {
            "mean": -table["mean"],
            "sd": table["sd"],
            "median": -table["median"],
            "lower": -table["upper"],
            "upper": -table["lower"],
            "better": better(whole, found, threshold, inverse=True),
        }
    )
    names = [network.names[each] for each in order]
    both = pd.concat([table, inverse], ignore_index=True)
    both.index = pd.MultiIndex.from_tuples(
        [
            (network.names[one], network.names[other])
            for one, other in [*pairs, *(pair[::-1] for pair in pairs)]
        ],
        names=list(PAIR),
    )
    wanted = [(one, other) for one in names for other in names if one != other]
    about = About(whole.model, whole.evidence)
    return League(both.loc[wanted], tuple(names), ci_prob, threshold, new, about)


def figures(
    whole: Expects, found: Sequence[Kernels], ci_prob: float, threshold: float = 0.0
) -> pd.DataFrame:
    """Give moments, quantiles and probabilities of being better of differences, one row each."""
    levels = np.array([0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2])
    moments = np.array([one.moments() for one in found]).reshape(len(found), 2)
    ends = dict(zip(("median", "lower", "upper"), quantiles(found, levels), strict=True))
    chance = better(whole, found, threshold)
    return pd.DataFrame({"mean": moments[:, 0], "sd": moments[:, 1], **ends, "better": chance})


def better(
    whole: Expects, found: Sequence[Kernels], threshold: float = 0.0, *, inverse: bool = False
) -> list[float]:
    """Give the probability that the first of each pair is better than the second, or the inverse."""
    higher = (whole.evidence.benefit != "lower") != inverse
    side = threshold if higher else -threshold
    return [one.beyond(side, above=higher) for one in found]


def chances(whole: Expects, network: Treatments, order: Sequence[int]) -> NDArray[np.float64]:
    """Give P(row better than column) of some treatments; one half on the diagonal."""
    found = np.full((len(order), len(order)), 0.5)
    pairs = [(one, other) for one in range(len(order)) for other in range(one)]
    columns = [network.difference(order[one], order[other]) for one, other in pairs]
    each = better(whole, whole.mean_at(np.array(columns)))
    for (one, other), chance in zip(pairs, each, strict=True):
        found[one, other], found[other, one] = chance, 1.0 - chance
    return found
