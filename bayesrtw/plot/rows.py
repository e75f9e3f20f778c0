"""What a forest plot says: its rows and its notes, taken from a fitted tree, before any drawing."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtri

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import SpecError
from bayesrtw.evidence.measure import Measure, measure_named
from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.scale import decimals, spell, spell_probability
from bayesrtw.posterior.summarise import summarise
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

Role = Literal["heading", "estimate", "level", "prior", "pooled", "new"]

#: Prefix of the levels of categorical moderators in ``constant_data``.
LEVEL_OF: Final = "level_"

#: What the names of heterogeneity SDs begin with, and the name of a correlation of sampling errors.
SPREAD, CORRELATION = "tau", "rho"

#: Heading of rows whose group is empty.
NOT_GIVEN: Final = "not given"

#: Keeps an estimate and its interval on one line.
NO_BREAK: Final = "\u00a0"

#: Kinds of posterior interval in words.
_INTERVAL_KINDS: Final = {"eti": "central (equal-tailed)", "hdi": "highest-density"}


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the ends of its interval.

    Attributes
    ----------
    centre, lower, upper
        On the analysis scale.
    """

    centre: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the plot.

    Attributes
    ----------
    role
        What it shows.
    label
        Its name, one line.
    interval
        The estimate's own interval, or that of the mean, the prior or the new setting.
    shrunken
        The effect behind the estimate given all others.
    weight
        Share in the pooled mean; NaN where there is none.
    size
        Area of its square relative to the largest, in [0, 1].
    """

    role: Role
    label: str
    interval: Interval | None = None
    shrunken: Interval | None = None
    weight: float = math.nan
    size: float = 0.0


@dataclass(frozen=True, slots=True)
class Forest:
    """Everything a forest plot says.

    Attributes
    ----------
    rows
        From top to bottom: estimates in their order, under headings if grouped; then the summary.
    measure, unit, benefit
        Of the effects.
    ci_prob
        Probability of every interval.
    places
        Decimals of effects.
    weighted
        Whether weights in the pooled mean are known.
    area
        What the area of a square is.
    grouped
        Whether rows stand under headings.
    notes
        Sentences about the result.
    caveat
        What must stand beside every result of these data; may be empty.
    """

    rows: tuple[Row, ...]
    measure: Measure
    unit: str
    benefit: str
    ci_prob: float
    places: int
    weighted: bool
    area: str
    grouped: bool
    notes: tuple[str, ...]
    caveat: str

    @property
    def percent(self) -> str:
        """Probability of the intervals as printed."""
        return _percent(self.ci_prob)

    def of(self, role: Role) -> list[Row]:
        """Give the rows of one role.

        Parameters
        ----------
        role
            What they show.

        Returns
        -------
        list of Row
            From top to bottom.
        """
        return [row for row in self.rows if row.role == role]

    def spell(self, interval: Interval) -> str:
        """Print an estimate with its interval on the reported scale.

        Parameters
        ----------
        interval
            On the analysis scale.

        Returns
        -------
        str
            ``1.09 (0.92 to 1.29)``.
        """
        with np.errstate(over="ignore"):
            back = self.measure.back([interval.centre, interval.lower, interval.upper])
        centre, lower, upper = (
            spell(float(value), log=self.measure.log, places=self.places) for value in back
        )
        return f"{centre} ({lower} to {upper})"

    def describe(self) -> str:
        """Put the plot in words for who cannot see it.

        Returns
        -------
        str
            Sentences: what is shown, the pooled effect, the new setting, the notes, the caveat.
        """
        count = len(self.of("estimate"))
        kind = self.measure.title.lower() + (f", {self.unit}" if self.unit else "")
        said = [f"Forest plot of {count} {'estimates' if count > 1 else 'estimate'} ({kind})."]
        for row in self.rows:
            if row.role in ("pooled", "new") and row.interval is not None:
                said.append(f"{row.label}: {self.spell(row.interval)}, {self.percent} interval.")
        return " ".join([*said, *self.notes, *([f"Caveat: {self.caveat}"] if self.caveat else [])])


def read_forest(tree: xr.DataTree, *, group_by: str | None, ci_prob: float) -> Forest:
    """Take what a forest plot says from a tree.

    Parameters
    ----------
    tree
        What `fit` returned.
    group_by
        Column whose values make groups, or None.
    ci_prob
        Probability of every interval, in (0, 1).

    Returns
    -------
    Forest
        The content.

    Raises
    ------
    SpecError
        If `group_by` names no text column of the tree, or `ci_prob` is not in (0, 1).
    """
    groups = None if group_by is None else _groups(tree, group_by)
    summary = summarise(tree, ci_prob=ci_prob)
    measure = measure_named(str(tree.attrs["measure"]))
    area, sizes = _sizes(tree, summary)
    estimates = _estimates(tree, summary, sizes, ci_prob)
    rows = estimates if groups is None else _grouped(estimates, groups, str(group_by), summary)
    places = _places(estimates, summary, log=measure.log)
    return Forest(
        rows=(*rows, *_summary_rows(tree, summary, ci_prob)),
        measure=measure,
        unit=str(tree.attrs["unit"]),
        benefit=str(tree.attrs["benefit"]),
        ci_prob=ci_prob,
        places=places,
        weighted=_weights(tree) is not None,
        area=area,
        grouped=groups is not None,
        notes=_notes(tree, summary, measure, places, _percent(ci_prob)),
        caveat=one_line(str(tree.attrs["caveat"])),
    )


def _places(estimates: Sequence[Row], summary: "pd.DataFrame", *, log: bool) -> int:
    """Decimals that suit the pooled interval and a typical own one."""
    own = [row.interval.upper - row.interval.lower for row in estimates if row.interval]
    pooled = _interval(summary, "mu")
    typical = decimals(np.array(own) / 2, log=log)
    if pooled is None:
        return typical
    mean = decimals(np.array([pooled.upper - pooled.lower]) / 2, log=log)
    return mean if log else max(mean, typical)


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
    if "quadrature" not in tree.children or "weight_in_mu" not in tree["quadrature"].data_vars:
        return None
    return np.asarray(tree["quadrature"].to_dataset()["weight_in_mu"].to_numpy(), dtype=np.float64)


def _sizes(tree: xr.DataTree, summary: "pd.DataFrame") -> tuple[str, Array]:
    """Say what the areas of squares are, and give them relative to the largest."""
    said, shares = "weight in the pooled effect", _weights(tree)
    if shares is None:
        variance = tree["constant_data"].to_dataset()["se"].to_numpy() ** 2
        said = "precision, 1/se²"
        if _hyper(tree, summary) == [SPREAD]:
            said = "precision, 1/(se² + τ²)"
            variance = variance + _number(summary, SPREAD, "median") ** 2
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
    rows = []
    for place, (name, value) in enumerate(
        zip(effect[ESTIMATE].to_numpy(), effect.to_numpy(), strict=True)
    ):
        row = Row(
            role="estimate",
            label=one_line(str(name)),
            interval=Interval(
                float(value), float(value - reach[place]), float(value + reach[place])
            ),
            shrunken=_interval(summary, f"theta[{name}]"),
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
        mean = _interval(summary, f"mu_level[{column}[{group}]]")
        if mean is not None:
            rows.append(Row("level", "Mean effect", mean))
    return rows


def _level_names(labels: Sequence[object], column: str) -> list[str]:
    prefix = f"{column}["
    return [str(label)[len(prefix) : -1] for label in labels if str(label).startswith(prefix)]


def _summary_rows(tree: xr.DataTree, summary: "pd.DataFrame", ci_prob: float) -> list[Row]:
    """Prior, pooled effect and new setting, as far as the model has them."""
    rows: list[Row] = []
    pooled = _interval(summary, "mu")
    if pooled is None:
        return rows
    share, interval = math.nan, _prior(tree, ci_prob)
    if _weights(tree) is not None:
        share = float(tree["quadrature"].to_dataset()["prior_weight_in_mu"])
    if interval is not None or share > 0:
        rows.append(Row("prior", "Prior", interval, weight=share))
    total = 1.0 if _weights(tree) is not None else math.nan
    rows.append(Row("pooled", "Pooled effect", pooled, weight=total))
    new = _interval(summary, "theta_new")
    if new is not None:
        rows.append(Row("new", "New setting", new))
    return rows


def _terms(tree: xr.DataTree) -> list[dict[str, Any]]:
    terms: list[dict[str, Any]] = json.loads(str(tree.attrs["model"]))["terms"]
    return terms


def _prior(tree: xr.DataTree, ci_prob: float) -> Interval | None:
    """Prior of the pooled effect, where it is normal."""
    for term in _terms(tree):
        if term["kind"] == "intercept" and term["prior"]["kind"] == "normal":
            mean, sd = float(term["prior"]["mean"]), float(term["prior"]["sd"])
            reach = float(ndtri(0.5 + ci_prob / 2)) * sd
            return Interval(mean, mean - reach, mean + reach)
    return None


def _notes(
    tree: xr.DataTree, summary: "pd.DataFrame", measure: Measure, places: int, percent: str
) -> tuple[str, ...]:
    """Say what the numbers are, how likely benefit is, and how much effects differ."""
    notes = []
    if "mu" in summary.index:
        side = "above" if tree.attrs["benefit"] == "higher" else "below"
        probability = spell_probability(_number(summary, "mu", "probability"))
        notes.append(
            f"Probability that the pooled effect is a benefit ({measure.title.lower()} {side} "
            f"{measure.null:g}): {probability}."
        )
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
    for name in _hyper(tree, summary):
        spread = name.startswith(SPREAD)
        digits = places if spread else 2
        median, lower, upper = (
            spell(_number(summary, name, end), log=False, places=digits)
            for end in ("median", "lower", "upper")
        )
        figures = f"{median} ({lower} to {upper})".replace(" ", NO_BREAK)
        if spread:
            which = _words(name.removeprefix(SPREAD)).strip()
            said = f"Heterogeneity τ{f' ({which})' if which else ''}, the SD of true effects{scale}"
        elif name == CORRELATION:
            said = "Correlation ρ of sampling errors"
        else:
            said = _words(name)
        notes.append(f"{said}: {figures}.")
    firsts = [term["groups"][0]["name"] for term in _terms(tree) if term["kind"] == "by_group"]
    notes += [one_line(f"The new setting has the τ of {_words(name)}.") for name in firsts]
    return notes


def _hyper(tree: xr.DataTree, summary: "pd.DataFrame") -> list[str]:
    """Names of the hyperparameters that are summarised."""
    names = str(tree.attrs.get("hyper", SPREAD)).split()
    return [name for name in names if name in summary.index]


def _meaning(tree: xr.DataTree) -> list[str]:
    """Say what the pooled effect is the effect of, where moderators make that a choice."""
    parts = []
    for term in _terms(tree):
        if term["kind"] == "categorical":
            parts.append(f"mean over the levels of {_words(term['column'])}, each counted once")
        elif term["kind"] == "linear":
            where = "at the mean of {}" if term["centre"] else "at {} = 0"
            parts.append(where.format(_words(term["column"])))
        elif term["kind"] == "indicator":
            parts.append(f"where {_words(term['name'])!r} does not apply")
    return [one_line(f"Pooled effect: {'; '.join(parts)}.")] if parts else []


def _interval(summary: "pd.DataFrame", quantity: str) -> Interval | None:
    """Median and interval of a quantity, or None if the model does not have it."""
    if quantity not in summary.index:
        return None
    return Interval(
        *(_number(summary, quantity, column) for column in ("median", "lower", "upper"))
    )


def _number(summary: "pd.DataFrame", quantity: str, column: str) -> float:
    return float(np.asarray(summary.loc[quantity, column], dtype=np.float64))


def _percent(probability: float) -> str:
    return f"{100 * probability:g}%"


def _words(name: object) -> str:
    return str(name).replace("_", " ")
