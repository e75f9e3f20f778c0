"""What a forest plot says, taken from a fitted tree: its rows, their weights, and its notes."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtri

from bayesrtw.analysis.run import Synthesis
from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import SpecError
from bayesrtw.evidence.measure import Measure, measure_named
from bayesrtw.model.term import told_apart
from bayesrtw.plot.density import OneDensity, prior_of
from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.rows import Column, Forest, Interval, Row, effect_column, percentage
from bayesrtw.plot.subject import summary_of, tree_of
from bayesrtw.posterior.stored import shares_in
from bayesrtw.posterior.tree import (
    direction_of,
    hyper_of,
    models_of,
    new_of,
    pooled_of,
    which_of,
)
from bayesrtw.printed import spell, spell_probability, spell_share
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Prefix of the levels of categorical moderators in ``constant_data``.
LEVEL_OF: Final = "level_"

#: Heading of rows whose group is empty.
NOT_GIVEN: Final = "not given"

#: Keeps an estimate and its interval on one line.
NO_BREAK: Final = "\u00a0"

#: Kinds of posterior interval in words.
_INTERVAL_KINDS: Final = {"eti": "central (equal-tailed)", "hdi": "highest-density"}


def read_forest(source: Synthesis | xr.DataTree, *, group_by: str | None, ci_prob: float) -> Forest:
    """Take what a forest plot says from a fit."""
    tree = tree_of(source)
    groups = None if group_by is None else _groups(tree, group_by)
    summary = summary_of(source, ci_prob)
    measure = measure_named(str(tree.attrs["measure"]))
    area, sizes = _sizes(tree, summary)
    estimates = _estimates(tree, summary, sizes, ci_prob)
    rows = estimates if groups is None else _grouped(estimates, groups, str(group_by), summary)
    rows = [*rows, *_summary_rows(tree, summary, ci_prob)]
    places = _places(tree, estimates, summary, measure)
    unit, percent = str(tree.attrs["unit"]), percentage(ci_prob)
    return Forest(
        kind="Forest plot",
        subject="Study",
        rows=tuple(rows),
        before=(),
        columns=_columns(rows, measure, unit, percent, places, weighted=_weights(tree) is not None),
        legend=_legend(rows, percent),
        measure=measure,
        unit=unit,
        direction=direction_of(tree),
        ci_prob=ci_prob,
        places=places,
        grouped=groups is not None,
        notes=(
            *_notes(tree, summary, measure, places, percent),
            one_line(f"The area of a square is its {area}."),
        ),
        caveat=one_line(str(tree.attrs["caveat"])),
    )


def _columns(
    rows: Sequence[Row], measure: Measure, unit: str, percent: str, places: int, *, weighted: bool
) -> tuple[Column, ...]:
    """Estimates, and weights where they are known."""
    columns = [effect_column(rows, measure, unit, percent, places)]
    if weighted:
        texts = (
            ""
            if math.isnan(row.weight)
            else "100"
            if row.role == "pooled"
            else spell_share(row.weight)
            for row in rows
        )
        columns.append(Column("Weight, %", tuple(texts)))
    return tuple(columns)


def _legend(rows: Sequence[Row], percent: str) -> tuple[tuple[str, str], ...]:
    """Name the marks that occur."""
    roles = {row.role for row in rows}
    mean = "mean or pooled effect" if "level" in roles else "pooled effect"
    prior = any(row.role == "prior" and row.interval for row in rows)
    entries = (
        ("own", f"own estimate, {percent} confidence interval", True),
        ("negative", "negative weight", any(row.weight < 0 for row in rows)),
        ("shrunken", "shrunken estimate", any(row.shrunken for row in rows)),
        ("mean", mean, "pooled" in roles),
        ("new", "effect in a new setting", "new" in roles),
        ("prior", "prior of the pooled effect", prior),
    )
    return tuple((kind, text) for kind, text, occurs in entries if occurs)


def _places(
    tree: xr.DataTree, estimates: Sequence[Row], summary: "pd.DataFrame", measure: Measure
) -> int:
    """Decimals that suit the pooled interval and a typical own one."""
    own = [row.interval for row in estimates if row.interval]
    pooled = interval_in(summary, pooled_of(tree))
    typical = measure.places([each.lower for each in own], [each.upper for each in own])
    if pooled is None:
        return typical
    mean = measure.places(pooled.lower, pooled.upper)
    return mean if measure.ratio else max(mean, typical)


def _groups(tree: xr.DataTree, group_by: str) -> list[str]:
    """Group of each estimate."""
    constant = tree["constant_data"].to_dataset()
    texts = {
        str(name).removeprefix(LEVEL_OF): values.to_numpy()
        for name, values in constant.data_vars.items()
        if values.dims == (ESTIMATE,) and values.to_numpy().dtype.kind in "OUT"
    }
    if group_by not in texts:
        raise SpecError(
            f"plot_forest: group_by is {group_by!r}; {suggestion(group_by, list(texts))}"
        )
    return [str(value) for value in texts[group_by]]


def _weights(tree: xr.DataTree) -> Array | None:
    """Shares of the estimates in the pooled mean, if the engine gives them."""
    found = _shares(tree)
    return None if found is None else found[0]


def _shares(tree: xr.DataTree) -> tuple[Array, float] | None:
    """Shares of the estimates, and of the priors, in the pooled mean, if the engine gives them."""
    if "quadrature" not in tree.children:
        return None
    return shares_in(tree["quadrature"].to_dataset(), pooled_of(tree))


def _sizes(tree: xr.DataTree, summary: "pd.DataFrame") -> tuple[str, Array]:
    """Say what the areas of squares are, and give them relative to the largest."""
    said, shares = "weight in the pooled effect", _weights(tree)
    if shares is None:
        variance = tree["constant_data"].to_dataset()["se"].to_numpy() ** 2
        said = "precision, 1/se²"
        hypers = hyper_of(tree)
        alike = [
            name for name, each in hypers.items() if each.what == "sd of effects" and not each.level
        ]
        if alike == list(hypers) and len(alike) == 1:
            said = "precision, 1/(se² + τ²)"
            variance = variance + number_in(summary, alike[0], "median") ** 2
        shares = 1.0 / variance
    largest = float(np.max(np.abs(shares))) or 1.0
    return said, np.abs(shares) / largest


def _estimates(
    tree: xr.DataTree, summary: "pd.DataFrame", sizes: Array, ci_prob: float
) -> list[Row]:
    """One row an estimate, in the order of the evidence."""
    effect = tree["observed_data"].to_dataset()["effect"]
    se = tree["constant_data"].to_dataset()["se"].to_numpy()
    weights = _weights(tree)
    reach = float(ndtri(0.5 + ci_prob / 2)) * se
    names = effect[ESTIMATE].to_numpy()
    shrunken = _intervals_in(summary, [f"theta[{name}]" for name in names])
    rows = []
    for place, (name, value) in enumerate(zip(names, effect.to_numpy(), strict=True)):
        own = Interval(float(value), float(value - reach[place]), float(value + reach[place]))
        row = Row(
            role="estimate",
            label=one_line(str(name)),
            interval=own if np.isfinite([own.lower, own.upper]).all() else None,
            shrunken=shrunken[place],
            weight=math.nan if weights is None else float(weights[place]),
            size=float(sizes[place]),
        )
        rows.append(row)
    return rows


def _grouped(
    estimates: Sequence[Row], groups: Sequence[str], column: str, summary: "pd.DataFrame"
) -> list[Row]:
    """Put estimates under headings, each with the level's mean where the model has one."""
    labels = summary.loc[summary["variable"] == "mu_level", "label"].tolist()
    levels = [name for name in _level_names(labels, column) if name in set(groups)]
    rows: list[Row] = []
    for group in dict.fromkeys([*levels, *groups]):
        name = one_line(_words(column))
        heading = f"{name[:1].upper()}{name[1:]}: {one_line(_words(group)) or NOT_GIVEN}"
        rows.append(Row("heading", heading))
        rows += [row for row, of in zip(estimates, groups, strict=True) if of == group]
        mean = interval_in(summary, f"mu_level[{column}[{group}]]")
        if mean is not None:
            rows.append(Row("level", "Mean effect", mean))
    return rows


def _level_names(labels: Sequence[object], column: str) -> list[str]:
    prefix = f"{column}["
    return [str(label)[len(prefix) : -1] for label in labels if str(label).startswith(prefix)]


def _summary_rows(tree: xr.DataTree, summary: "pd.DataFrame", ci_prob: float) -> list[Row]:
    """Prior, pooled effect and new setting, as far as the model has them."""
    rows: list[Row] = []
    pooled = interval_in(summary, pooled_of(tree))
    if pooled is None:
        return rows
    share, interval = math.nan, _prior(tree, ci_prob)
    known = _shares(tree)
    if known is not None:
        share = known[1]
    if interval is not None or share > 0:
        rows.append(Row("prior", "Prior", interval, weight=share))
    total = 1.0 if known is not None else math.nan
    rows.append(Row("pooled", _said(tree, "Pooled effect", pooled_of(tree)), pooled, weight=total))
    new = interval_in(summary, new_of(tree))
    if new is not None:
        rows.append(Row("new", _said(tree, "New setting", new_of(tree)), new))
    return rows


def _said(tree: xr.DataTree, name: str, quantity: str) -> str:
    """Name a quantity, and say which it is where there are two."""
    which = which_of(tree, quantity)
    return f"{name}, {which}" if which else name


def _prior(tree: xr.DataTree, ci_prob: float) -> Interval | None:
    """Prior of the pooled effect, where it is proper and that of one model."""
    prior = prior_of(tree, OneDensity(pooled_of(tree), ""))
    if prior is None or not prior.proper:
        return None
    return Interval(*(float(prior.ppf(q)) for q in (0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2)))


def _notes(
    tree: xr.DataTree, summary: "pd.DataFrame", measure: Measure, places: int, percent: str
) -> tuple[str, ...]:
    """Say what the numbers are, how likely benefit is, and how much effects differ."""
    notes = []
    pooled = pooled_of(tree)
    if pooled in summary.index:
        direction = direction_of(tree)
        side = "above" if direction.upward else "below"
        what = f"is a benefit ({measure.title.lower()} {side} {measure.null:g})"
        if not direction.benefit:
            what = f"is above {measure.null:g}"
        probability = spell_probability(number_in(summary, pooled, "probability"))
        if direction.event:
            notes.append(f"Probability that the pooled effect {what}: {probability}.")
        notes += _meaning(tree)
    notes += _heterogeneity(tree, summary, measure, places)
    kind = str(summary["ci_kind"].iloc[0])
    notes.append(
        f"CI: {percent} confidence interval of a study's own estimate; for all else the posterior "
        f"median and its {percent} {_INTERVAL_KINDS.get(kind, kind)} credible interval."
    )
    return tuple(notes)


def _heterogeneity(
    tree: xr.DataTree, summary: "pd.DataFrame", measure: Measure, places: int
) -> list[str]:
    """Say how much true effects differ, one sentence a hyperparameter."""
    unit = str(tree.attrs["unit"])
    scale = " on the log scale" if measure.log else f" in {unit}" if unit else ""
    notes = []
    hypers = {name: each for name, each in hyper_of(tree).items() if name in summary.index}
    which = told_apart(hypers)
    for name, each in hypers.items():
        digits = places if each.on_scale and measure.link.name == "identity" else 2
        median, lower, upper = (
            spell(number_in(summary, name, end), log=False, places=digits)
            for end in ("median", "lower", "upper")
        )
        figures = f"{median} ({lower} to {upper})".replace(" ", NO_BREAK)
        said = f"{each.title}{which[name]}"
        if each.what == "sd of effects":
            said = f"{said}, the SD of true effects{scale}"
        notes.append(f"{said}: {figures}.")
    among = [each.among for each in hypers.values() if each.what == "sd of effects"]
    firsts = [
        each.among for each in hypers.values() if each.among and each.new and each.among in among
    ]
    notes += [one_line(f"The new setting has the τ of {_words(name)}.") for name in firsts]
    return notes


def _meaning(tree: xr.DataTree) -> list[str]:
    """Say what the pooled effect is the effect of, where moderators make that a choice."""
    models = models_of(tree)
    moderators = models[0].moderators if len(models) == 1 else ()
    by_study = pooled_of(tree) == "mu_studies" and bool(moderators)
    parts = []
    if by_study:
        own = " and ".join(_words(each.column) for each in moderators if each.shape != "rows")
        parts.append(f"mean over the studies, each counted once at its own {own}")
    for each in moderators:
        if by_study and each.shape != "rows":
            continue
        if each.shape == "levels":
            parts.append(f"mean over the levels of {_words(each.column)}, each counted once")
        elif each.shape == "line":
            words = _words(each.column)
            where = f"at the mean of {words}" if each.centred else f"at {words} = {each.zero:g}"
            parts.append(where)
        elif each.shape == "rows":
            parts.append(f"where {_words(each.name)!r} does not apply")
    return [one_line(f"Pooled effect: {'; '.join(parts)}.")] if parts else []


def interval_in(summary: "pd.DataFrame", quantity: str) -> Interval | None:
    """Take median and interval of a quantity from a summary."""
    if quantity not in summary.index:
        return None
    return Interval(
        *(number_in(summary, quantity, column) for column in ("median", "lower", "upper"))
    )


def _intervals_in(summary: "pd.DataFrame", quantities: Sequence[str]) -> list[Interval | None]:
    """Take those of many quantities."""
    lines = {str(name): line for line, name in enumerate(summary.index)}
    numbers = summary[["median", "lower", "upper"]].to_numpy(dtype=np.float64).tolist()
    at = [lines.get(name) for name in quantities]
    return [None if line is None else Interval(*numbers[line]) for line in at]


def number_in(summary: "pd.DataFrame", quantity: str, column: str) -> float:
    """Take one number from a summary."""
    return float(np.asarray(summary.loc[quantity, column], dtype=np.float64))


def _words(name: object) -> str:
    return str(name).replace("_", " ")
