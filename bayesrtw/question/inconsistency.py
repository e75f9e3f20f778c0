"""Whether direct and indirect evidence of a network agree: by comparison, and with no relation assumed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayesrtw.engine.fitted import Fitted
from bayesrtw.errors import SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.added import Added
from bayesrtw.model.spec import Model
from bayesrtw.model.term import given
from bayesrtw.model.treatments import Treatments, sets_of, treatments_of
from bayesrtw.pictured import Drawing, Pictured, as_html
from bayesrtw.printed import spell_probability, with_interval
from bayesrtw.question.answer import table_as_html
from bayesrtw.question.asked import About, Subject, asked
from bayesrtw.question.league import PAIR, figures

#: What a split tells of a comparison.
SOURCES = ("direct", "indirect", "network", "difference")
#: Columns of its effects, and of its checks.
FIGURES, CHECKS = ["mean", "sd", "median", "lower", "upper"], ["studies", "above", "p_value", "tau"]


@dataclass(frozen=True, slots=True, eq=False)
class Splits(Pictured):
    """Direct against indirect evidence, one comparison at a time.

    Attributes
    ----------
    table
        Index ``treatment, against, source``: ``mean, sd, median, lower, upper`` of the effect of the first
        treatment against the second, analysis scale, as the studies that compare the two tell it
        (``direct``), as all others do (``indirect``), as all do together (``network``), and direct less
        indirect (``difference``).
    checks
        Index ``treatment, against``: ``studies`` that compare the two; ``above``, the probability that the
        difference is above 0; ``p_value``, twice the smaller of it and its complement; ``tau``, the median of
        the heterogeneity SD of the split model, where there is one.
    notes
        Comparisons that were not split, and why.
    tau
        Median of that SD where all agree; NaN where there is none.
    ci_prob
        Probability of the central intervals.
    about
        What was asked.
    """

    table: pd.DataFrame
    checks: pd.DataFrame
    notes: tuple[str, ...]
    tau: float
    ci_prob: float
    about: About

    def _pictures(self) -> Mapping[str, Drawing | str]:
        if not len(self.checks):
            return {"splits": f"nothing was split: {' '.join(self.notes)}"}
        return {"splits": Drawing((self,))}

    def printed(self, source: str) -> list[str]:
        """Print the effects of one source on the reported scale, one a comparison; differences as ratios."""
        measure = self.about.evidence.measure
        places = measure.places(self.table["lower"].to_numpy(), self.table["upper"].to_numpy())
        own = self.table.xs(source, level="source")
        ends = (measure.back(own[name].to_numpy()) for name in ("median", "lower", "upper"))
        return [
            with_interval(*map(float, each), log=measure.ratio, places=places)
            for each in zip(*ends, strict=True)
        ]

    def _words(self) -> str:
        if not len(self.checks):
            return self.about.said("No comparison is split.", *self.notes)
        measure = self.about.evidence.measure
        what = "ratio of the two" if measure.log else "difference"
        told = [
            f"{one} vs {other} ({counted(row['studies'])}): direct {direct}, indirect {indirect}, {what} "
            f"{apart}, P value {spell_probability(float(row['p_value']))}"
            for (one, other), row, direct, indirect, apart in zip(
                self.checks.index,
                self.checks.to_dict("records"),
                *(self.printed(source) for source in ("direct", "indirect", "difference")),
                strict=True,
            )
        ]
        head = (
            f"{measure.title} from direct and from indirect evidence, {100 * self.ci_prob:g} % intervals; "
            "Bayesian P values are two-sided. A split says nothing where intervals are wide."
        )
        return self.about.said(head, *(f"{each}." for each in told), *self.notes)

    def _repr_html_(self) -> str:
        """Give the effects and the checks, for a notebook."""
        tables = [table_as_html(each) for each in (self.table, self.checks)]
        return as_html("Direct and indirect evidence", [self._words()], tables)


def splits(
    model: Subject,
    evidence: Evidence | None = None,
    *,
    comparisons: Sequence[str] | None = None,
    symmetric: bool = True,
    ci_prob: float = 0.95,
) -> Splits:
    """Split comparisons of a network into what is told directly and what is told indirectly.

    Each split is the model with one coefficient more, of the prior that effects have: by it the two
    treatments are further apart in the studies that compare them [1]_. Only comparisons are split that other
    studies tell too, without any that has both treatments [2]_; the others are named.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; a term says what arms consist of.
    comparisons
        Which, as ``"one vs other"``; all that some study makes unless given.
    symmetric
        Whether in studies of three arms both treatments deviate from the third, by half each [3]_. Otherwise
        the first does alone, as in [1]_; what is found then hangs on which is named first.
    ci_prob
        Probability of the central intervals.

    Returns
    -------
    Splits
        ``table`` of effects by source, ``checks`` of their differences, and ``notes``.

    Raises
    ------
    SpecError
        If no term says what arms consist of, a treatment does not occur, both arms are the same, or a
        comparison that is asked for cannot be split.
    EngineRefusal
        If the model gives no neighbours; the message says what stands in the way.

    References
    ----------
    .. [1] Dias S, Welton NJ, Caldwell DM, Ades AE (2010). Stat Med 29:932-944. doi:10.1002/sim.3767
    .. [2] van Valkenhoef G, Dias S, Ades AE, Welton NJ (2016). Research Synthesis Methods 7:80-93.
       doi:10.1002/jrsm.1167
    .. [3] White IR (2015). Stata J 15:951-985. doi:10.1177/1536867X1501500403

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
    >>> found = brw.network.splits(brw.Model(terms=(parts, arms)), evidence)
    >>> bool((found.checks["p_value"] > 0.5).all())
    True
    """
    whole = asked(model, evidence)
    network = treatments_of(whole.model, whole.evidence)
    pairs, notes = network.compared, []
    if comparisons is not None:
        pairs = [network.pair(each) for each in comparisons]
    kept = []
    for pair in pairs:
        why = obstacle(network, pair)
        if not why:
            kept.append(pair)
        elif comparisons is not None:
            raise SpecError(f"{network.said(pair)} cannot be split: {why}.")
        else:
            notes.append(f"{network.said(pair)} is not split: {why}.")
    tables, checks = [], []
    for pair in kept:
        found, check = _split(whole, network, pair, ci_prob, symmetric=symmetric)
        tables.append(found)
        checks.append(check)
    names = [tuple(network.names[each] for each in pair) for pair in kept]
    index = pd.MultiIndex.from_tuples(
        [(*name, source) for name in names for source in SOURCES] or [("", "", "")],
        names=[*PAIR, "source"],
    )
    both = pd.MultiIndex.from_tuples(names or [("", "")], names=list(PAIR))
    about = About(whole.model, whole.evidence)
    table = pd.concat(tables) if tables else pd.DataFrame(columns=FIGURES, index=[0])
    frame = pd.DataFrame(checks) if checks else pd.DataFrame(columns=CHECKS, index=[0])
    table.index, frame.index = index, both
    if not kept:
        table, frame = table.iloc[:0], frame.iloc[:0]
    return Splits(table, frame, tuple(notes), typical_spread(whole), ci_prob, about)


def obstacle(network: Treatments, pair: tuple[int, int]) -> str:
    """Say why a comparison has no direct or no indirect evidence; empty if it has both."""
    direct = network.comparing(*pair)
    if not direct:
        return "no study compares the two, so that all evidence is indirect"
    others = [study for study in network.of_studies if study not in direct]
    if network.tells(network.within(others), network.difference(*pair)):
        return ""
    return (
        f"there is no indirect evidence: without {shown(direct)}, which compare the two, nothing connects "
        "them"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Unrelated(Pictured):
    """Every comparison by itself, beside what the network says of it.

    Attributes
    ----------
    table
        Index ``treatment, against, source``: ``mean, sd, median, lower, upper`` of the effect of the first
        treatment against the second, analysis scale, where comparisons are not related (``unrelated``), and
        where they are (``network``).
    spread
        Index ``unrelated, network``: ``median, lower, upper`` of the heterogeneity SD. A smaller one where
        comparisons are not related is a sign of inconsistency.
    notes
        Comparisons that have no effect of their own, and why.
    ci_prob
        Probability of the central intervals.
    about
        What was asked.
    """

    table: pd.DataFrame
    spread: pd.DataFrame
    notes: tuple[str, ...]
    ci_prob: float
    about: About

    def _words(self) -> str:
        measure = self.about.evidence.measure
        places = measure.places(self.table["lower"].to_numpy(), self.table["upper"].to_numpy())
        told = {
            source: [
                with_interval(
                    *(float(measure.back(row[end])) for end in ("median", "lower", "upper")),
                    log=measure.ratio,
                    places=places,
                )
                for _, row in self.table.xs(source, level="source").iterrows()
            ]
            for source in ("unrelated", "network")
        }
        pairs = self.table.xs("network", level="source").index
        said = [
            f"{one} vs {other}: {own}, in the network {all_}."
            for (one, other), own, all_ in zip(pairs, *told.values(), strict=True)
        ]
        spread = [
            f"{row['median']:.2f} ({row['lower']:.2f} to {row['upper']:.2f})"
            for row in self.spread.to_dict("records")
        ]
        head = f"{measure.title} where comparisons are not related to one another."
        tail = f"Heterogeneity SD {spread[0]}, in the network {spread[1]}."
        return self.about.said(head, *said, tail, *self.notes)

    def _repr_html_(self) -> str:
        """Give the effects and the spreads, for a notebook."""
        tables = [table_as_html(each) for each in (self.table, self.spread)]
        return as_html("Unrelated mean effects", [self._words()], tables)


def unrelated(
    model: Subject, evidence: Evidence | None = None, *, ci_prob: float = 0.95
) -> Unrelated:
    """Pool a network with an effect of its own for every comparison, as if they said nothing of one another.

    Arms of a study are held against its base, the comparator of contrasts or the arm that stands first, so
    that studies of three arms tell two comparisons each [1]_. Heterogeneity is shared, and effects of arms of
    one study go together as in the network.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; a term says what arms consist of.
    ci_prob
        Probability of the central intervals.

    Returns
    -------
    Unrelated
        ``table`` of effects beside those of the network, ``spread`` of heterogeneity.

    Raises
    ------
    SpecError
        If no term says what arms consist of.
    EngineRefusal
        If the model gives no neighbours; the message says what stands in the way.

    References
    ----------
    .. [1] Dias S, Welton NJ, Sutton AJ, Caldwell DM, Lu G, Ades AE (2013). Med Decis Making 33:641-656.
       doi:10.1177/0272989X12455847

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
    >>> found = brw.network.unrelated(brw.Model(terms=(parts, arms)), evidence)
    >>> bool(found.table.loc[("y", "x", "unrelated"), "mean"] < -0.5)
    True
    """
    whole = asked(model, evidence)
    network = treatments_of(whole.model, whole.evidence)
    bases = {study: own[0] for study, own in network.of_studies.items()}
    of_base = np.array([bases[study] for study in network.study.tolist()])
    pairs = [
        (max(arm, base), min(arm, base))
        for arm, base in zip(network.arm.tolist(), of_base.tolist(), strict=True)
        if arm != base
    ]
    pairs = sorted(set(pairs), key=lambda pair: pair[::-1])
    columns = np.stack(
        [
            ((network.arm == one) & (of_base == other)).astype(float)
            - ((network.arm == other) & (of_base == one))
            for one, other in pairs
        ],
        axis=1,
    )
    names = [network.said(pair) for pair in pairs]
    sd = np.full(len(pairs), prior_sd(whole.model, whole.evidence))
    own = Added(columns, sd, tuple(names))
    apart = beside(whole, [own if term.facts.arms else term for term in whole.model.terms])
    start = first_of_arms(whole)
    told = np.zeros((len(pairs), coefficients(apart)))
    told[np.arange(len(pairs)), start + np.arange(len(pairs))] = 1.0
    related = np.array([network.difference(*pair) for pair in pairs])
    tables = [
        figures(fit, fit.mean_at(each), ci_prob).drop(columns="better")
        for fit, each in ((apart, told), (whole, related))
    ]
    both = pd.concat(tables, keys=["unrelated", "network"], names=["source"])
    order = [(source, place) for place in range(len(pairs)) for source in ("unrelated", "network")]
    table = both.loc[order]
    table.index = pd.MultiIndex.from_tuples(
        [(*(network.names[each] for each in pairs[place]), source) for source, place in order],
        names=[*PAIR, "source"],
    )
    notes = tuple(
        f"{network.said(pair)} has no effect of its own: studies that have both have another base."
        for pair in network.compared
        if pair not in pairs
    )
    spread = pd.DataFrame(
        [_spread(fit, ci_prob) for fit in (apart, whole)], ["unrelated", "network"]
    )
    return Unrelated(table, spread, notes, ci_prob, About(whole.model, whole.evidence))


def first_of_arms(whole: Fitted) -> int:
    """Place of the first coefficient of the term that says what arms consist of."""
    start = 0
    for term in whole.model.terms:
        if term.facts.arms:
            break
        fixed = given(term, whole.evidence).fixed
        start += 0 if fixed is None else fixed.columns.shape[1]
    return start


def coefficients(whole: Fitted) -> int:
    """How many coefficients a fit of fixed terms has."""
    parts = [given(term, whole.evidence) for term in whole.model.terms]
    fixed = [each for part in parts for each in (part.fixed, part.shared) if each is not None]
    return sum(each.columns.shape[1] for each in fixed)


def _spread(whole: Fitted, ci_prob: float) -> dict[str, float]:
    """Give the heterogeneity SD of a fit; NaN where there is none, or several."""
    names = whole.model.spreads
    levels = np.array([0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2])
    known = len(names) == 1
    ends = whole.posterior.hyper[names[0]].quantile(levels) if known else np.full(3, np.nan)
    return dict(zip(("median", "lower", "upper"), map(float, ends), strict=True))


def _split(
    whole: Fitted,
    network: Treatments,
    pair: tuple[int, int],
    ci_prob: float,
    *,
    symmetric: bool,
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Fit one split, and tell both sources and their difference."""
    one, other = pair
    direct = network.comparing(one, other)
    inside = np.isin(network.study, direct)
    sides = [
        (network.arm == each).astype(float) - (network.against == each) for each in (one, other)
    ]
    column = (0.5 * (sides[0] - sides[1]) if symmetric else sides[0]) * inside
    more = Added(column[:, None], np.array([prior_sd(whole.model, whole.evidence)]), ("split",))
    apart = beside(whole, (*whole.model.terms, more))
    plain = np.append(network.difference(one, other), 0.0)
    deviation = np.zeros(len(plain))
    deviation[-1] = 1.0
    found = [*apart.mean_at(np.array([plain + deviation, plain])), *whole.mean_at(plain[None, :-1])]
    found.append(apart.mean_at(deviation[None])[0])
    above = float(found[-1].above(0.0))
    return figures(whole, found, ci_prob).drop(columns="better"), {
        "studies": len(direct),
        "above": above,
        "p_value": 2.0 * min(above, 1.0 - above),
        "tau": typical_spread(apart),
    }


def beside(whole: Fitted, terms: Sequence[object]) -> Fitted:
    """Fit the same rows with other terms; columns of biases stay last."""
    model = Model(
        terms=tuple(terms),  # type: ignore[arg-type] # each is a term
        likelihood=whole.model.likelihood,
        selection=whole.model.selection,
    )
    return whole.beside(model, whole.evidence)


def prior_sd(model: Model, evidence: Evidence) -> float:
    """Give the prior SD of the effects of treatments, the widest; infinite where it is flat."""
    for term in model.terms:
        fixed = given(term, evidence).fixed
        if term.facts.arms and fixed is not None:
            with np.errstate(divide="ignore"):
                return float(np.max(fixed.precision**-0.5))
    sets_of(model)  # says what is missing
    raise AssertionError


def counted(studies: float) -> str:
    """Count studies in words."""
    return f"{studies:.0f} {'study' if studies == 1 else 'studies'}"


def typical_spread(whole: Fitted) -> float:
    """Give the posterior median of the heterogeneity SD; NaN where there is none, or several."""
    names = whole.model.spreads
    if len(names) != 1:
        return float("nan")
    return float(whole.posterior.hyper[names[0]].quantile(np.array([0.5]))[0])
