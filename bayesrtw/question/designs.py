"""Whether a network is consistent as a whole: effects that differ by design, around those of the network."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import pandas as pd

from bayesrtw.engine.fitted import Fitted
from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.added import Added
from bayesrtw.model.contract import Prior
from bayesrtw.model.treatments import Treatments, treatments_of
from bayesrtw.pictured import Pictured, as_html
from bayesrtw.question.answer import table_as_html
from bayesrtw.question.asked import About, Subject
from bayesrtw.question.inconsistency import beside, coefficients
from bayesrtw.question.league import PAIR, figures
from bayesrtw.question.spread import OverSpread, normal_fit, over_spread


@dataclass(frozen=True, slots=True, eq=False)
class Designs(Pictured):
    """A network whose designs, sets of arms that studies compare, may each have effects of their own.

    Attributes
    ----------
    sd
        ``median, lower, upper`` of the SD of these deviations, analysis scale, and the same of heterogeneity
        in the consistent network, where there is one.
    table
        Index ``design, treatment, against``: ``studies``, and ``mean, sd, median, lower, upper`` of how far
        the effect in that design lies from that of the network.
    log_bayes_factor
        Natural logarithm of the Bayes factor of such deviations, under the prior of their SD, against none.
    fit
        The posterior of the network's effects with deviations around them: `league` and `ranks` answer of it.
    ci_prob
        Probability of the central intervals.
    about
        What was asked.
    """

    sd: pd.DataFrame
    table: pd.DataFrame
    log_bayes_factor: float
    fit: OverSpread
    ci_prob: float
    about: About

    def _words(self) -> str:
        own = self.sd.loc["inconsistency"]
        most = int(self.table["mean"].abs().to_numpy().argmax())
        design, one, other = self.table.index[most]
        row = self.table.iloc[most]
        return self.about.said(
            f"Effects of {self.table.index.unique('design').size} designs may lie around those of the "
            f"network: the SD between them is {own['median']:.2g} ({own['lower']:.2g} to {own['upper']:.2g}, "
            f"analysis scale), and under its prior the Bayes factor of such deviations is "
            f"{np.exp(self.log_bayes_factor):.2g}. "
            f"Furthest is {one!s} vs {other!s} in the design {design!s}, by {row['mean']:.2g} "
            f"({row['lower']:.2g} to {row['upper']:.2g})."
        )

    def _repr_html_(self) -> str:
        """Give both tables, for a notebook."""
        tables = [table_as_html(each) for each in (self.sd, self.table)]
        return as_html("Inconsistency by design", [self._words()], tables)


def designs(
    model: Subject,
    evidence: Evidence | None = None,
    *,
    sd: Prior | None = None,
    ci_prob: float = 0.95,
) -> Designs:
    """Let the effects of every design lie around those of the network, and ask how far they do.

    The design-by-treatment model with random effects [1]_: the effect of each comparison in each design is
    that of the network plus N(0, sd^2), and deviations of one design that share an arm have the correlation
    1/2.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; a term says what arms consist of. Estimates are
        normal.
    sd
        Prior of the SD between designs, analysis scale; that of heterogeneity unless given.
    ci_prob
        Probability of the central intervals.

    Returns
    -------
    Designs
        ``sd``, ``table`` of deviations, ``log_bayes_factor``, and the posterior under deviations, ``fit``.

    Raises
    ------
    SpecError
        If no term says what arms consist of, or there is no prior of the SD.
    EngineRefusal
        If estimates are not normal, or the model gives no neighbours.

    References
    ----------
    .. [1] Jackson D, Barrett JK, Rice S, White IR, Higgins JPT (2014). Stat Med 33:3639-3654.
       doi:10.1002/sim.6188

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": ["A", "A", "B", "B", "C", "C"],
    ...                       "arm": ["none", "x", "none", "y", "x", "y"],
    ...                       "mean": [0.0, 1.0, 0.2, 0.4, 0.9, 0.3], "se": 0.3})
    >>> evidence = brw.Evidence.from_arms(frame, benefit="higher")
    >>> parts = brw.terms.Components(brw.prior.Normal(0, 2), arm="arm", none=("none",))
    >>> arms = brw.terms.Arms(brw.prior.HalfNormal(0.5), baseline=brw.prior.Normal(0, 10))
    >>> found = brw.network.designs(brw.Model(terms=(parts, arms)), evidence)
    >>> bool(found.log_bayes_factor < 0.5)
    True
    """
    whole = normal_fit(model, evidence)
    network = treatments_of(whole.model, whole.evidence)
    spreads = whole.model.spreads
    if sd is None and len(spreads) != 1:
        raise SpecError("the model has no one heterogeneity SD to take a prior from; give sd.")
    prior = whole.prior_of(spreads[0]) if sd is None else sd
    own = _of_designs(network)
    columns = np.stack([column for _, _, column, _ in own], axis=1)
    share = np.array([each for *_, each in own])
    labels = tuple(f"{design}: {network.names[arm]}" for design, arm, *_ in own)
    width = coefficients(whole)
    into = np.eye(width, width + len(own))

    def at(value: float) -> Fitted:
        return beside(whole, (*whole.model.terms, Added(columns, value * share, labels)))

    found = over_spread(whole.model, whole.evidence, prior, at, into)
    lines, index, studies = _deviations(network, own, width)
    table = figures(whole, found.own_at(lines), ci_prob).drop(columns="better")
    table.insert(0, "studies", studies)
    table.index = pd.MultiIndex.from_tuples(index, names=["design", *PAIR])
    levels = [0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2]
    told = {"inconsistency": found.sd_quantile(levels)}
    if len(spreads) == 1:
        told[spreads[0]] = whole.posterior.hyper[spreads[0]].quantile(np.array(levels))
    return Designs(
        pd.DataFrame(told, index=["median", "lower", "upper"]).T,
        table,
        found.log_total - whole.posterior.log_evidence,
        found,
        ci_prob,
        About(whole.model, whole.evidence),
    )


def _of_designs(network: Treatments) -> list[tuple[str, int, np.ndarray, float]]:
    """Give each deviation: its design, its treatment, its column, (estimate,), and its share of the SD.

    Of two arms the one that is not the base deviates; of several each does by half the variance, so that what
    shares an arm goes together.
    """
    found = []
    for arms in _designs(network):
        inside = np.isin(network.study, _studies(network, arms))
        for arm in arms[1:] if len(arms) == 2 else arms:
            column = ((network.arm == arm).astype(float) - (network.against == arm)) * inside
            share = 1.0 if len(arms) == 2 else 1.0 / sqrt(2.0)
            found.append((_called(network, arms), arm, column, share))
    return found


def _designs(network: Treatments) -> list[tuple[int, ...]]:
    """Give the sets of arms that occur, in the order of the treatments."""
    return sorted({tuple(sorted(own)) for own in network.of_studies.values() if len(own) > 1})


def _studies(network: Treatments, arms: tuple[int, ...]) -> list[str]:
    return [study for study, own in network.of_studies.items() if tuple(sorted(own)) == arms]


def _called(network: Treatments, arms: tuple[int, ...]) -> str:
    return " / ".join(network.names[arm] for arm in arms)


def _deviations(
    network: Treatments, own: list[tuple[str, int, np.ndarray, float]], width: int
) -> tuple[np.ndarray, list[tuple[str, str, str]], list[int]]:
    """Give deviations against the base of each design: combinations, names, and how many studies."""
    place = {(design, arm): number for number, (design, arm, *_) in enumerate(own)}
    lines, index, studies = [], [], []
    for arms in _designs(network):
        design = _called(network, arms)
        for arm in arms[1:]:
            line = np.zeros(width + len(own))
            line[width + place[design, arm]] = 1.0
            if (design, arms[0]) in place:
                line[width + place[design, arms[0]]] = -1.0
            lines.append(line)
            index.append((design, network.names[arm], network.names[arms[0]]))
            studies.append(len(_studies(network, arms)))
    return np.array(lines), index, studies
