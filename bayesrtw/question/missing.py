"""What missing levels of a moderator cost, and what other ways to treat them would say."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd

from bayesrtw.engine import solve
from bayesrtw.engine.fitted import Fitted
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.component_rows import alike
from bayesrtw.model.levels import MissingLevels
from bayesrtw.model.open_arms import MissingParts
from bayesrtw.model.spec import Model
from bayesrtw.model.term import Term, given
from bayesrtw.model.treatments import sets_of
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.question.answer import Answer, answered
from bayesrtw.question.asked import Subject, about, size_of
from bayesrtw.question.table import quantiles

#: The ways, as they are called in tables.
SUMMED, COMPLETE, OWN = "summed over levels", "complete cases", "a level of its own"
#: The last of them where parts of programmes stand open.
ABSENT = "open parts absent"


def missing_levels(
    model: Subject,
    evidence: Evidence | None = None,
    *,
    ci_prob: float = 0.95,
    threshold: float = 0.0,
    threshold_ratio: float | None = None,
) -> Answer:
    """Say what missing levels cost each coefficient, and what other ways to treat them would say.

    The fraction of missing information of a quantity q is Var(E(q | levels, y) | y) / Var(q | y): the part of
    its variance that would be gone if somebody told the levels. [1]_ Complete cases leave the rows out that
    do not report; a level of its own takes silence for a kind of programme. Open parts of programmes are
    taken for absent instead, and rows whose arms are alike then are left out.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; levels of one of its moderators are missing.
    ci_prob
        Probability of the central intervals.
    threshold
        Size of an effect beyond which benefit counts, analysis scale; 0 is no effect.
    threshold_ratio
        The same as a ratio, of either side: 0.8 and 1.25 are one size.

    Returns
    -------
    Answer
        A data frame with its words. One row a way and quantity (``mu``, ``mu_studies``, ``beta[...]``,
        ``mu_level[...]``): ``rows`` that inform it, ``mean, sd, median, lower, upper, probability``, and
        ``missing_information`` of the sum over levels, in [0, 1].

    Raises
    ------
    SpecError
        If no level is missing in these rows.
    EngineRefusal
        If a way cannot be fitted exactly.

    References
    ----------
    .. [1] Rubin DB (1987). Multiple Imputation for Nonresponse in Surveys, chapter 3; here without the
       approximation of a few imputations.

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> from bayesrtw.model.levels import MissingLevels
    >>> frame = pd.DataFrame({"study": list("ABCDE"), "effect": [0.4, 0.5, 0.0, 0.1, 0.3], "se": 0.1,
    ...                       "workplace": ["yes", "yes", "no", "no", "unclear"]})
    >>> term = brw.Categorical("workplace", brw.prior.Normal(0, 0.25), missing=MissingLevels(("unclear",)))
    >>> model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 0.5)), term, brw.Common()))
    >>> found = missing_levels(model, brw.Evidence.from_frame(frame))
    >>> round(float(found.loc[("summed over levels", "beta[workplace[yes]]"), "missing_information"]), 2)
    0.02
    """
    asked = about(model, evidence)
    term = _silent(asked.model, asked.evidence)
    whole = solve(asked.model, asked.evidence)
    information = getattr(whole, "missing_information", None)
    if information is None:
        raise EngineRefusal(
            "what missing levels cost is worked out for models that are pooled in one step; leave the robust "
            "MAP prior out."
        )
    told = np.asarray(_unreported(term, asked.evidence).index >= 0)
    fits: dict[str, Fitted] = {
        SUMMED: whole,
        COMPLETE: solve(asked.model, asked.evidence.rows(told)),
    }
    if not _has_levels(term):
        # Arms that are alike then compare nothing.
        arms = sets_of(asked.model).arms(asked.evidence)
        nothing = np.any(alike(asked.evidence, *arms, [False] * asked.evidence.size), axis=0)
        fits[ABSENT] = solve(_without_missing(asked.model, term), asked.evidence.rows(~nothing))
    elif "" not in _said_missing(term):
        fits[OWN] = solve(_without_missing(asked.model, term), asked.evidence)
    size = size_of(threshold, threshold_ratio, whole.evidence.measure)
    tables = [_table(way, fit, ci_prob, size) for way, fit in fits.items()]
    tables[0]["missing_information"] = information(
        list(tables[0].index.get_level_values("quantity"))
    )
    frame = pd.concat(tables)
    return answered(
        frame,
        whole,
        f"Missing levels of {_unreported(term, asked.evidence).column}, three ways, "
        f"{100 * ci_prob:g} % intervals",
        words=_said(tables[0]),
    )


def missing_column(model: Model, evidence: Evidence) -> str:
    """Name the column of the moderator whose levels are missing in some rows."""
    found: str = _unreported(_silent(model, evidence), evidence).column
    return found


def _silent(model: Model, evidence: Evidence) -> Term:
    """Find the term with missing levels."""
    for term in model.terms:
        if given(term, evidence).unreported is not None:
            return term
    raise SpecError(
        "no level of a moderator is missing in these rows; say which values mean so: categorical with "
        'missing = { values = ["unclear"] }.'
    )


def _has_levels(term: Term) -> bool:
    """Whether levels are missing, and not parts of programmes."""
    return any(each.shape == "levels" for each in term.facts.moderators)


def _said_missing(term: Any) -> tuple[str, ...]:
    """Values of its column that say that a level is missing."""
    found: MissingLevels = term.missing
    return found.values  # noqa: PD011 - a setting, and no array


def _unreported(term: Term, evidence: Evidence) -> Any:
    return given(term, evidence).unreported


def _without_missing(model: Model, term: Term) -> Model:
    """Take every value for a level, in a group of its own if need be; what stands open for absent."""
    known: Any = term
    if not _has_levels(term):
        without = replace(known, missing=MissingParts(absent=True))
        return replace(
            model, terms=tuple(without if each is term else each for each in model.terms)
        )
    groups = known.groups
    if groups:
        home = type(groups[0])
        groups = (
            *groups,
            *(home(value, (value,), "not reported") for value in _said_missing(term)),
        )
    assert {"missing", "groups"} <= {each.name for each in fields(known)}
    other = replace(known, missing=None, groups=groups)
    return replace(model, terms=tuple(other if each is term else each for each in model.terms))


def _table(way: str, fit: Fitted, ci_prob: float, threshold: float) -> pd.DataFrame:
    """Give the quantities of one way."""
    names = [name for name in fit.posterior.effects if not name.startswith("theta")]
    found: list[Kernels] = [fit.posterior.effects[name] for name in names]
    higher = fit.evidence.benefit != "lower"
    ends = quantiles(found, np.array([0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2]))
    side = threshold if higher else -threshold
    chance = [each.beyond(side, above=higher) for each in found]
    columns = {
        "rows": int(fit.kept.sum()),
        "mean": [each.moments()[0] for each in found],
        "sd": [each.moments()[1] for each in found],
        **dict(zip(("median", "lower", "upper"), ends, strict=True)),
        "probability": chance if fit.evidence.direction.event else np.nan,
        "missing_information": np.nan,
    }
    index = pd.MultiIndex.from_product([[way], names], names=["way", "quantity"])
    return pd.DataFrame(columns, index=index)


def _said(frame: pd.DataFrame) -> str:
    """Name the coefficient that loses most."""
    own = frame["missing_information"].droplevel(0).filter(regex=r"^beta")
    if not len(own):
        return ""
    return f"{own.idxmax()} loses most: {own.max():.0%} of its variance is that levels are missing."
