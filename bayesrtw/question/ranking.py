"""Ranks of the treatments of a network, with their distribution."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesrtw.engine.fitted import Expects
from bayesrtw.engine.jointly import JointDraws, jointly
from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.treatments import treatments_of
from bayesrtw.pictured import Drawing, Pictured, as_html
from bayesrtw.printed import STATE_IT, spell_chance
from bayesrtw.question.answer import table_as_html
from bayesrtw.question.asked import About, Subject
from bayesrtw.question.league import chances
from bayesrtw.question.predict import expects

Array = NDArray[np.float64]

#: Joint draws: no probability of a rank has a standard error above 0.0025.
DRAWS = 40_000


@dataclass(frozen=True, slots=True, eq=False)
class Ranks(Pictured):
    """Which treatment is best, second best and so on, with what is not known of it.

    Attributes
    ----------
    table
        One row a treatment: ``best``, the probability of the first rank, with ``error``, its Monte Carlo
        standard error; ``mean``, the mean rank, exact; ``median, lower, upper``, quantiles of the rank;
        ``sucra``, (K - mean) / (K - 1), exact.
    distribution
        Probability of every rank, 1 the best: one row a treatment, one column a rank.
    error
        Monte Carlo standard errors of `distribution`, of one shape; 0 where it is exact, with two treatments.
    ci_prob
        Probability of the central intervals of ranks.
    about
        What was asked.
    """

    table: pd.DataFrame
    distribution: pd.DataFrame
    error: pd.DataFrame
    ci_prob: float
    about: About

    def _pictures(self) -> Mapping[str, Drawing | str]:
        return {"ranks": Drawing((self,))}

    def _words(self) -> str:
        said = [
            f"{name!s}: {spell_chance('P(best)', float(row['best']))}, rank {row['median']:g} "
            f"({row['lower']:g} to {row['upper']:g})"
            for name, row in self.table.sort_values("mean").iterrows()
        ]
        most = float(self.error.to_numpy().max())
        how = f"Monte Carlo standard errors up to {most:.2g}" if most else "exact"
        return self.about.said(
            f"Ranks of {len(self.table)} treatments, 1 the best, with {100 * self.ci_prob:g} % intervals; "
            f"{how}. {'; '.join(said)}."
        )

    def _repr_html_(self) -> str:
        """Give the figures and the distribution, for a notebook."""
        tables = [table_as_html(self.table), table_as_html(self.distribution)]
        return as_html("Ranks", [self._words()], tables)


def ranks(
    model: Subject | Expects,
    evidence: Evidence | None = None,
    *,
    treatments: Sequence[str] | None = None,
    ci_prob: float = 0.95,
    draws: int = DRAWS,
    seed: int = 20260301,
) -> Ranks:
    """Rank the treatments of a network by their mean effects.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; a term says what arms consist of, and the outcome
        has a direction of benefit.
    treatments
        Which are ranked; all unless given.
    ci_prob
        Probability of the central intervals of ranks.
    draws
        Joint draws of the effects, independent and from the exact posterior, which the distribution of ranks
        is counted from; a sampled fit gives those that it has.
    seed
        Seed of the draws.

    Returns
    -------
    Ranks
        ``table`` and ``distribution``. Mean ranks and what follows of them are exact: a mean rank is one more
        than the expected number of better treatments [1]_.

    Raises
    ------
    SpecError
        If no direction of benefit is stated, no term says what arms consist of, or a treatment does not
        occur.
    EngineRefusal
        If the model gives no joint draws; the message says what stands in the way.

    References
    ----------
    .. [1] Salanti G, Ades AE, Ioannidis JPA (2011). J Clin Epidemiol 64:163-171.
       doi:10.1016/j.jclinepi.2010.03.016

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": ["A", "A", "B", "B"], "arm": ["none", "x", "none", "y"],
    ...                       "mean": [0.0, 1.0, 0.2, 0.4], "se": 0.3})
    >>> evidence = brw.Evidence.from_arms(frame, benefit="higher")
    >>> parts = brw.terms.Components(brw.prior.Normal(0, 2), arm="arm", none=("none",))
    >>> arms = brw.terms.Arms(brw.prior.HalfNormal(0.5), baseline=brw.prior.Normal(0, 10))
    >>> found = brw.network.ranks(brw.Model(terms=(parts, arms)), evidence)
    >>> found.table["best"].idxmax()
    'x'
    """
    whole = expects(model, evidence)
    benefit = whole.evidence.benefit
    if not benefit:
        raise SpecError(f"no direction of benefit is stated, so no treatment is best; {STATE_IT}.")
    if draws < 1:
        raise SpecError(f"draws must be at least 1; found {draws}.")
    network = treatments_of(whole.model, whole.evidence)
    order = network.places(treatments)
    names, count = [network.names[each] for each in order], len(order)
    chance = chances(whole, network, order)
    mean = 1.0 + np.sum(chance, axis=0) - 0.5
    if count == 2:
        spread = np.array([[chance[0, 1], chance[1, 0]], [chance[1, 0], chance[0, 1]]])
        error = np.zeros((2, 2))
    else:
        columns = np.array([network.difference(each, order[0]) for each in order])
        spread, error = _simulated(jointly(whole, columns, draws, seed), benefit == "higher")
    return _told(names, mean, (spread, error), ci_prob, About(whole.model, whole.evidence))


def _simulated(drawn: JointDraws, higher: bool) -> tuple[Array, Array]:
    """Give probabilities of ranks with their standard errors, shape (treatment, rank)."""
    count = drawn.value.shape[1]
    place = np.argsort(-drawn.value if higher else drawn.value, axis=1)
    # A ratio of weighted means: its variance is that of weighted distances from it.
    first, second = (
        np.stack([np.bincount(own, each, count) for own in place.T], axis=1)
        for each in (drawn.weight, drawn.weight**2)
    )
    total = float(np.sum(drawn.weight**2))
    variance = second * (1.0 - first) ** 2 + (total - second) * first**2
    return first, np.sqrt(variance)


def _told(
    names: Sequence[str], mean: Array, ranks: tuple[Array, Array], ci_prob: float, about: About
) -> Ranks:
    """Put the distribution of ranks with its errors, shape (treatment, rank), into tables."""
    spread, error = ranks
    count = len(names)
    upto = np.cumsum(spread, axis=1)
    levels = {"median": 0.5, "lower": 0.5 - ci_prob / 2, "upper": 0.5 + ci_prob / 2}
    # Rounding of a sum of shares must not skip a rank.
    ends = {
        name: np.minimum(np.sum(upto < q - 1e-12, axis=1) + 1, count) for name, q in levels.items()
    }
    best = {"best": spread[:, 0], "error": error[:, 0]}
    table = pd.DataFrame(
        {**best, "mean": mean, **ends, "sucra": (count - mean) / (count - 1)},
        index=pd.Index(names, name="treatment"),
    )
    columns = pd.Index(range(1, count + 1), name="rank")
    told, errors = (pd.DataFrame(each, table.index, columns) for each in (spread, error))
    return Ranks(table, told, errors, ci_prob, about)
