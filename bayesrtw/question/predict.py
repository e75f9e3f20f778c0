"""What to expect at values of moderators: the mean effect there, and the effect in a new setting, exactly."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesrtw.engine.drawn import FromDraws
from bayesrtw.engine.fitted import Expects
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import once_a_study, spoken
from bayesrtw.model.prior import Prior
from bayesrtw.model.spec import NEW, Model
from bayesrtw.model.term import Term, TermArrays, given
from bayesrtw.posterior.kernels import Kernels, blended
from bayesrtw.question.answer import Answer, answered
from bayesrtw.question.asked import Subject, about, asked, size_of
from bayesrtw.question.table import quantiles
from bayesrtw.registry import kind_of, suggestion

Array = NDArray[np.float64]

#: A value of a moderator, or several.
Value = str | float | Sequence[str] | Sequence[float]

#: Fewest draws, all of one weight, that stand for a posterior.
FEWEST = 200

#: Most combinations of values: beyond it a table is no answer.
MOST = 10_000


def predict(
    model: Subject | Expects,
    evidence: Evidence | None = None,
    *,
    at: Mapping[str, Value] | None = None,
    ci_prob: float = 0.95,
    threshold: float = 0.0,
    threshold_ratio: float | None = None,
) -> Answer:
    """Give the mean effect and the effect in a new setting at values of the moderators.

    A moderator that is not named stays where the pooled mean has it: each level once and covariates at their
    means, or, where the model's mean is over studies, as the studies have it. Without `at` the pooled mean
    itself is given.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; the model has a pooled mean.
    at
        Column of a moderator to a level or number, or to several: every combination is a row.
    ci_prob
        Probability of the central intervals.
    threshold
        Size of an effect beyond which benefit counts, analysis scale; 0 is no effect.
    threshold_ratio
        The same as a ratio, of either side: 0.8 and 1.25 are one size.

    Returns
    -------
    Answer
        A data frame with its words.
        One row a combination, the index its values: ``mean, sd, median, lower, upper, probability`` of the
        mean effect, and the same with ``new_`` before each of the effect in a new setting, analysis scale.
        Probabilities are those of benefit; of an effect above no effect where nobody stated which are good.

    Raises
    ------
    SpecError
        If the model has no pooled mean, no such moderator, or a moderator no such level; the choices are
        named.
    EngineRefusal
        If the model gives no neighbours; the message says what stands in the way.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> synthesis = brw.run(brw.open_analysis("time-to-rtw-moderators"))
    >>> found = brw.predict(synthesis, at={"programme_type": ["workplace", "rehabilitation"]})
    >>> found.index.tolist()
    ['workplace', 'rehabilitation']
    """
    whole = expects(model, evidence)
    if not whole.model.has_mean:
        raise SpecError("the model has no intercept, so there is no pooled mean; add one.")
    grid = settings_asked(whole.model, at or {})
    headline = whole.model.pooled
    means = [expected_at(whole, headline, values) for values in grid]
    news = [expected_at(whole, NEW[headline], values) for values in grid]
    size = size_of(threshold, threshold_ratio, whole.evidence.measure)
    own = _figures(whole, means, ci_prob, size)
    new = _figures(whole, news, ci_prob, size)
    columns = own | {f"new_{name}": values for name, values in new.items()}
    frame = pd.DataFrame(columns, index=_index(grid))
    caption = f"Mean effect and effect in a new setting, {100 * ci_prob:g} % intervals"
    return answered(frame, whole, caption, words=_said(whole, frame, grid))


def expects(what: Subject | Expects, evidence: Evidence | None) -> Expects:
    """Give what says what is expected: a synthesis that was sampled answers by its draws."""
    if evidence is None and hasattr(what, "mean_at"):
        return what  # type: ignore[return-value] # `Expects` offers `mean_at`
    tree = getattr(what, "posterior", None)
    if evidence is None and isinstance(tree, xr.DataTree):
        ran = about(what)  # type: ignore[arg-type] # what has a tree was run
        return expecting(ran.model, ran.evidence, tree)
    return asked(what, evidence)  # type: ignore[arg-type] # as above


def expecting(model: Model, evidence: Evidence, tree: xr.DataTree) -> Expects:
    """Give what says what a fit expects: its draws where it was sampled, its nodes otherwise."""
    return (
        asked(model, evidence)
        if "quadrature" in tree.children
        else FromDraws(model, evidence, tree)
    )


def setting_in_words(at: Mapping[str, object]) -> str:
    """Spell values of moderators."""
    told = {
        name: f"{value:g}" if isinstance(value, int | float) else value
        for name, value in at.items()
    }
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in told.items())


def expected_at(whole: Expects, of: str, at: Mapping[str, object]) -> Kernels:
    """Give one mean, or the effect in a new setting, at values of the moderators."""
    rows, along, share = _at(whole, of, at)
    if of in NEW:
        [found] = whole.mean_at((share @ rows)[None, :])
        return found
    return blended(whole.mean_at(rows, new=True, along=along), share.tolist())


def row_at(whole: Expects, of: str, at: Mapping[str, object]) -> tuple[Array, Array]:
    """Give the row of the design whose product with the coefficients is a mean at values of the moderators.

    gives (column,).
    """
    rows, along, share = _at(whole, of, at)
    return share @ rows, share @ along


def coefficients_of(whole: Expects) -> tuple[dict[str, Array], Array]:
    """Give which coefficients moderators have, and which biases share: gives (coefficient, column)."""
    sizes: list[tuple[str, int]] = []
    biases = 0
    for term, part in _contributions(whole.model, whole.evidence):
        if part.fixed is not None:
            moves = (*term.facts.moderators, *term.facts.modifies)
            sizes.append((" and ".join(each.name for each in moves), part.fixed.columns.shape[1]))
        elif term.facts.mean:
            sizes.append(("", 1))
        if part.shared is not None:
            biases += part.shared.columns.shape[1]
    width = sum(size for _, size in sizes)
    every, found, start = np.eye(width + biases), dict[str, Array](), 0
    for name, size in sizes:
        if name:
            found[name] = every[start : start + size]
        start += size
    return found, every[width:]


def draws_of(what: object) -> FromDraws | None:
    """Give the draws of what was run, which know every effect together; None where there are none."""
    tree = getattr(what, "posterior", None)
    if not isinstance(tree, xr.DataTree) or not tree["posterior"].dataset.sizes.get("draw"):
        return None
    ran = about(what)  # type: ignore[arg-type] # what has a tree was run
    return FromDraws(ran.model, ran.evidence, tree)


def doubted(whole: FromDraws, prior: Prior) -> FromDraws:
    """Weigh draws as under another prior of the mean."""
    blocks, biases = coefficients_of(whole)
    every, before = np.eye(biases.shape[1]), whole.model.mean
    rest = np.flatnonzero(np.vstack([*blocks.values(), biases]).sum(axis=0) == 0)
    if len(rest) != 1 or before is None:
        raise EngineRefusal(
            "no single coefficient has the prior of the mean, so that it cannot be another."
        )
    [own] = whole.mean_at(every[rest])
    log = np.asarray(prior.logpdf(own.mean)) - np.asarray(before.logpdf(own.mean))
    share = np.exp(log - log.max())
    share /= share.sum()
    carried = 1.0 / float(share @ share)
    if carried < FEWEST:
        raise EngineRefusal(
            f"{carried:.0f} of {len(share):,} draws would carry the posterior under the other prior of the "
            f"mean, and {FEWEST} are needed: sample more of them."
        )
    return replace(whole, share=share)


def _at(whole: Expects, of: str, at: Mapping[str, object]) -> tuple[Array, Array, Array]:
    """Give rows, places and shares of `_rows` for one mean, or one kind of new setting."""
    [values] = settings_asked(whole.model, {name: [value] for name, value in at.items()})  # type: ignore[misc]
    return _rows(whole, values, over_studies=of in ("mu_studies", "theta_new_studies"))


def _columns(model: Model) -> list[str]:
    """Name the columns of the moderators of a model."""
    owned = (each.column for each in model.moderators)
    other = (each.column for term in model.terms for each in term.facts.modifies)
    spread = (name for term in model.terms for name in term.facts.scales)
    return list(dict.fromkeys((*owned, *other, *spread)))


def settings_asked(model: Model, at: Mapping[str, Value]) -> list[dict[str, object]]:
    """Give every combination of the values of moderators that are asked for."""
    columns = _columns(model)
    for name in at:
        if name not in columns:
            hint = suggestion(name, columns) if columns else "the model has none: leave `at` out."
            raise SpecError(f"at names {name!r}, which is no moderator of the model; {hint}")
    each = [_listed(value) for value in at.values()]
    empty = [name for name, values in zip(at, each, strict=True) if not values]
    if empty:
        raise SpecError(f"at gives {empty[0]!r} no value; give one, or leave it out.")
    count = int(np.prod([len(values) for values in each]))
    if count > MOST:
        raise SpecError(
            f"at makes {count} combinations, at most {MOST} are given; name fewer values."
        )
    return [dict(zip(at, values, strict=True)) for values in product(*each)]


def _listed(value: Value) -> list[object]:
    """Give a value, or several, as a list."""
    return [value] if isinstance(value, str | float | int | np.number) else list(value)


def _rows(
    whole: Expects, values: Mapping[str, object], *, over_studies: bool
) -> tuple[Array, Array, Array]:
    """Give the rows of the design that a combination is a mixture of, their SDs' places, and shares."""
    # Numbers of evidence are floats, and a level is called by its number.
    values = {
        name: float(value) if isinstance(value, int) else value for name, value in values.items()
    }
    settings = [values]
    weight = np.ones(1)
    if over_studies and whole.model.two_means:
        own = np.asarray(spoken(whole.model, whole.evidence)) & whole.kept
        data, places = whole.evidence.data, np.flatnonzero(own).tolist()
        names = _columns(whole.model)
        settings = [{name: data[name].to_numpy()[row] for name in names} | values for row in places]
        weight = once_a_study(data["study"].to_numpy()[own])
        settings, weight = _each_level(whole, places, settings, weight, values)
    known: dict[tuple[object, ...], float] = {}
    for setting, share in zip(settings, weight.tolist(), strict=True):
        key = tuple(setting.values())
        known[key] = known.get(key, 0.0) + share
    names = list(settings[0])
    parts = _contributions(whole.model, whole.evidence)
    # Biases are no part of an effect; their columns stand last.
    biases = sum(part.shared.columns.shape[1] for _, part in parts if part.shared is not None)
    rows, along = [], []
    for key in known:
        setting, row = dict(zip(names, key, strict=True)), []
        along.append(
            [
                0.0 if part.setting is None else part.setting(setting)
                for _, own in parts
                for part in own.grouped
            ]
        )
        for term, part in parts:
            if part.fixed is not None and part.fixed.setting is not None:
                row.append(part.fixed.setting(setting))
            elif part.fixed is not None:
                if any(each.column in setting for each in term.facts.moderators):
                    raise SpecError(f"term {kind_of(term)!r} does not say what it is in a setting.")
                # What is not named stays where the pooled mean has it.
                row.append(np.zeros(part.fixed.columns.shape[1]))
            elif term.facts.mean:
                # A prior that other studies give stands in the place of an intercept.
                row.append(np.ones(1))
        rows.append(np.concatenate([*row, np.zeros(biases)]))
    return np.array(rows), np.array(along, dtype=float), np.array(list(known.values()))


# A page asks thousands of posteriors of the same rows.
@lru_cache(maxsize=16)
def _contributions(model: Model, evidence: Evidence) -> list[tuple[Term, TermArrays]]:
    """Give every term with what it makes of the rows."""
    return [(term, given(term, evidence)) for term in model.terms]


def _each_level(
    whole: Expects,
    places: Sequence[int],
    settings: list[dict[str, object]],
    weight: Array,
    values: Mapping[str, object],
) -> tuple[list[dict[str, object]], Array]:
    """Give rows that do not report their level every level, as often as others have it."""
    for term in whole.model.terms:
        missing = given(term, whole.evidence).unreported
        levels = any(each.shape == "levels" for each in term.facts.moderators)
        if missing is None or missing.column in values or not levels:
            continue
        share = missing.shares(whole.kept)[places]
        names = _members(term, missing.names)
        settings = [
            setting if missing.index[row] >= 0 else setting | {missing.column: level}
            for row, setting in zip(places, settings, strict=True)
            for level in names
        ]
        weight = (weight[:, None] * share).reshape(-1)
        keep = np.flatnonzero(weight)
        settings, weight = [settings[place] for place in keep], weight[keep]
    return settings, weight


def _members(term: Term, names: Sequence[str]) -> list[str]:
    """Give a value of the column for each level."""
    groups = next(each.groups for each in term.facts.moderators if each.shape == "levels")
    value = {group.name: group.members[0] for group in groups}
    return [value.get(name, name) for name in names]


def _figures(
    whole: Expects, found: Sequence[Kernels], ci_prob: float, threshold: float
) -> dict[str, Any]:
    """Give moments, quantiles and probabilities of distributions."""
    higher = whole.evidence.benefit != "lower"
    side = threshold if higher else -threshold
    ends = quantiles(found, np.array([0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2]))
    moments = np.array([one.moments() for one in found])
    chance = [one.beyond(side, above=higher) for one in found]
    return {
        "mean": moments[:, 0],
        "sd": moments[:, 1],
        **dict(zip(("median", "lower", "upper"), ends, strict=True)),
        "probability": chance if whole.evidence.direction.event else np.nan,
    }


def _index(grid: Sequence[Mapping[str, object]]) -> pd.Index:
    names = list(grid[0])
    if not names:
        return pd.Index(["pooled"], name="at")
    if len(names) == 1:
        return pd.Index([each[names[0]] for each in grid], name=names[0])
    return pd.MultiIndex.from_tuples([tuple(each.values()) for each in grid], names=names)


def _said(whole: Expects, frame: pd.DataFrame, grid: Sequence[Mapping[str, object]]) -> str:
    """Name the lowest and the highest mean, and numbers beyond those of the rows."""
    back, said = whole.evidence.measure.back, []
    for place in dict.fromkeys((int(frame["median"].argmin()), int(frame["median"].argmax()))):
        row = frame.iloc[place]
        middle, low, high = (float(back(row[end])) for end in ("median", "lower", "upper"))
        where = (
            ", ".join(f"{name} {value}" for name, value in grid[place].items()) or "the pooled mean"
        )
        said.append(
            f"{whole.evidence.measure.title} at {where}: {middle:.3g} ({low:.3g} to {high:.3g})."
        )
    for each in whole.model.moderators:
        if each.shape == "line" and each.column in grid[0]:
            own = whole.evidence.data[each.column].to_numpy().astype(float)
            asked = np.array([values[each.column] for values in grid], dtype=np.float64)
            if asked.min() < own.min() or asked.max() > own.max():
                said.append(
                    f"{each.column} goes beyond the rows, which lie between {own.min():g} and {own.max():g}."
                )
    return " ".join(said)
