"""Treatments that are alike: effects exchangeable within classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayesrtw.engine.fitted import Fitted
from bayesrtw.errors import SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.added import Added
from bayesrtw.model.contract import Prior
from bayesrtw.model.term import Fixed, given
from bayesrtw.pictured import Pictured, as_html
from bayesrtw.question.answer import table_as_html
from bayesrtw.question.asked import About, Subject
from bayesrtw.question.inconsistency import beside, coefficients, first_of_arms
from bayesrtw.question.league import figures
from bayesrtw.question.spread import OverSpread, normal_fit, over_spread
from bayesrtw.registry import suggestion


@dataclass(frozen=True, slots=True, eq=False)
class Classes(Pictured):
    """A network whose treatments are alike within classes.

    Attributes
    ----------
    classes
        One row a class: ``mean, sd, median, lower, upper`` of its mean effect, analysis scale.
    treatments
        Index ``class, treatment, source``: the same of the effect of each member, among its class
        (``within class``) and by itself (``alone``).
    sd
        ``median, lower, upper`` of the SD of effects within classes.
    fit
        The posterior: `league` and `ranks` answer of it.
    ci_prob
        Probability of the central intervals.
    about
        What was asked.
    """

    classes: pd.DataFrame
    treatments: pd.DataFrame
    sd: Mapping[str, float]
    fit: OverSpread
    ci_prob: float
    about: About

    def _words(self) -> str:
        back = self.about.evidence.measure.back
        said = [
            f"{name!s} {float(back(row['median'])):.3g} ({float(back(row['lower'])):.3g} to "
            f"{float(back(row['upper'])):.3g})"
            for name, row in self.classes.iterrows()
        ]
        return self.about.said(
            f"{self.about.evidence.measure.title} of classes, {100 * self.ci_prob:g} % intervals: "
            f"{'; '.join(said)}. The SD within classes is {self.sd['median']:.2g} "
            f"({self.sd['lower']:.2g} to {self.sd['upper']:.2g}, analysis scale)."
        )

    def _repr_html_(self) -> str:
        """Give both tables, for a notebook."""
        tables = [table_as_html(each) for each in (self.classes, self.treatments)]
        return as_html("Classes of treatments", [self._words()], tables)


def classes(
    model: Subject,
    evidence: Evidence | None = None,
    *,
    members: Mapping[str, Sequence[str]],
    sd: Prior,
    ci_prob: float = 0.95,
) -> Classes:
    """Let treatments of a class have effects that are exchangeable around the mean of the class.

    The effect of each member is N(m, sd^2) around a mean m of its class, which has the prior of effects; one
    SD is shared by all classes [1]_.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; a term says what arms consist of. Estimates are
        normal.
    members
        Class to its treatments, or components where arms are sets of them; at least two, each in one class.
        What belongs to none stays by itself.
    sd
        Prior of the SD within classes, analysis scale.
    ci_prob
        Probability of the central intervals.

    Returns
    -------
    Classes
        Means of classes, effects of their members, ``sd``, and the posterior, ``fit``.

    Raises
    ------
    SpecError
        If a treatment does not occur or belongs to two classes, or a class has one.
    EngineRefusal
        If estimates are not normal, or the model gives no neighbours.

    References
    ----------
    .. [1] Owen RK, Tincello DG, Abrams KR (2015). Value Health 18:116-126. doi:10.1016/j.jval.2014.10.006

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": ["A", "A", "B", "B", "C", "C"],
    ...                       "arm": ["none", "x", "none", "y", "none", "z"],
    ...                       "mean": [0.0, 1.0, 0.2, 0.9, 0.1, 0.4], "se": 0.3})
    >>> evidence = brw.Evidence.from_arms(frame, benefit="higher")
    >>> parts = brw.terms.Components(brw.prior.Normal(0, 2), arm="arm", none=("none",))
    >>> arms = brw.terms.Arms(brw.prior.HalfNormal(0.5), baseline=brw.prior.Normal(0, 10))
    >>> found = brw.network.classes(brw.Model(terms=(parts, arms)), evidence,
    ...                             members={"talking": ["x", "y"]}, sd=brw.prior.HalfNormal(0.3))
    >>> bool(found.classes.loc["talking", "mean"] > 0.5)
    True
    """
    whole = normal_fit(model, evidence)
    part = _part(whole)
    names = [label.partition("[")[2].removesuffix("]") for label in part.labels]
    of = _places(members, names)
    start, width = first_of_arms(whole), coefficients(whole)
    count, own = len(of), part.columns.shape[1]
    # Means of classes, then deviations of members, or effects where there is no class.
    turn = np.hstack([np.zeros((own, count)), np.eye(own)])
    for number, places in enumerate(of.values()):
        turn[places, number] = 1.0
    member = np.isin(np.arange(own), np.concatenate(list(of.values())))
    with np.errstate(divide="ignore"):
        wide = part.precision**-0.5
    pooled = None if part.pooled is None else part.pooled @ turn
    labels = (*of, *part.labels)

    def at(value: float) -> Fitted:
        sds = np.concatenate([np.full(count, wide.max()), np.where(member, value, wide)])
        added = Added(part.columns @ turn, sds, labels, pooled)
        terms = [added if each.facts.arms else each for each in whole.model.terms]
        return beside(whole, terms)

    into = np.zeros((width, width + count))
    into[:start, :start] = np.eye(start)
    into[start : start + own, start : start + count + own] = turn
    into[start + own :, start + own + count :] = np.eye(width - start - own)
    found = over_spread(whole.model, whole.evidence, sd, at, into)
    means = np.zeros((count, width + count))
    means[np.arange(count), start + np.arange(count)] = 1.0
    own_means = figures(whole, found.own_at(means), ci_prob).drop(columns="better")
    own_means.index = pd.Index(list(of), name="class")
    ends = found.sd_quantile([0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2])
    return Classes(
        own_means,
        _members(whole, found, of, names, ci_prob),
        dict(zip(("median", "lower", "upper"), map(float, ends), strict=True)),
        found,
        ci_prob,
        About(whole.model, whole.evidence),
    )


def _part(whole: Fitted) -> Fixed:
    """Give the arrays of the term that says what arms consist of."""
    for term in whole.model.terms:
        fixed = given(term, whole.evidence).fixed
        if term.facts.arms and fixed is not None:
            return fixed
    raise SpecError(
        "classes need a term that says what arms consist of; add `components` with the column of treatments."
    )


def _places(members: Mapping[str, Sequence[str]], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Find the members of every class among the coefficients."""
    found, taken = {}, dict[str, str]()
    for name, own in members.items():
        for each in own:
            if each not in names:
                hint = suggestion(each, list(names))
                raise SpecError(f"class {name!r} names {each!r}, which no arm has; {hint}")
            if each in taken:
                raise SpecError(
                    f"{each!r} is in {taken[each]!r} and in {name!r}; choose one class."
                )
            taken[each] = name
        if len(set(own)) < 2:
            raise SpecError(f"class {name!r} has {shown(own)}; a class has at least two members.")
        found[name] = np.array([names.index(each) for each in own])
    if not found:
        raise SpecError("members names no class; give one with its treatments.")
    return found


def _members(
    whole: Fitted,
    found: OverSpread,
    of: Mapping[str, np.ndarray],
    names: Sequence[str],
    ci_prob: float,
) -> pd.DataFrame:
    """Tell the effect of each member among its class and by itself."""
    start, width = first_of_arms(whole), coefficients(whole)
    pairs = [(name, place) for name, places in of.items() for place in places.tolist()]
    lines = np.zeros((len(pairs), width))
    lines[np.arange(len(pairs)), [start + place for _, place in pairs]] = 1.0
    tables = [
        figures(whole, fit.mean_at(lines), ci_prob).drop(columns="better") for fit in (found, whole)
    ]
    both = pd.concat(tables, keys=["within class", "alone"], names=["source"])
    order = [(source, row) for row in range(len(pairs)) for source in ("within class", "alone")]
    table = both.loc[order]
    table.index = pd.MultiIndex.from_tuples(
        [(pairs[row][0], names[pairs[row][1]], source) for source, row in order],
        names=["class", "treatment", "source"],
    )
    return table
