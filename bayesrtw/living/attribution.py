"""How much of a change is due to data, model, prior and software.

Every mixture of old and new is fitted, and each factor gets the average, over all orders in which the
factors could have changed, of what its change did (Shapley's value): shares add up to the change.
Old software cannot be run again here; its share is what a refit of the old inputs differs by from the
stored numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import Any

from bayesrtw.analysis.query import selected
from bayesrtw.analysis.spec import Analysis
from bayesrtw.engine import choose, fit
from bayesrtw.engine.exact import Exact
from bayesrtw.errors import Faults, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.posterior.summarise import summarise
from bayesrtw.registry import decode, digest, encode, kinds

#: Numbers that are attributed.
NUMBERS = ("mean", "width", "probability")

#: Factors, in the order in which they are printed.
FACTORS = ("data", "model", "prior")

#: New studies that are left out one by one; more would make an update of many studies slow.
MOST_LEFT_OUT = 8

Triple = dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """One end of a change."""

    analysis: Analysis  #: The analysis.
    source: Evidence  #: The evidence before rows are selected.


def attribute(
    old: Basis, new: Basis, stored: Triple, found: Triple, *, software: bool
) -> dict[str, Any]:
    """Attribute the change of the pooled mean that is the headline at either end."""
    changed = changed_factors(old, new)
    refits = 0

    def value(own: frozenset[str]) -> Triple:
        nonlocal refits
        if own == frozenset(changed):
            return found
        if not own and not software:
            return stored
        refits += 1
        analysis = mixed(old.analysis, new.analysis, model="model" in own, prior="prior" in own)
        return numbers(analysis, new.source if "data" in own else old.source)

    corners = {
        frozenset(own): value(frozenset(own))
        for size in range(len(changed) + 1)
        for own in combinations(changed, size)
    }
    start = corners[frozenset()] if changed or not software else found
    shares = {
        name: {
            number: shapley(changed, name, lambda own, n=number: corners[own][n])  # type: ignore[misc]
            for number in NUMBERS
        }
        for name in changed
    }
    note = ""
    if software:
        shares["software"] = {number: start[number] - stored[number] for number in NUMBERS}
        note = (
            "The software changed and its earlier version cannot be run here: its share is the refit of "
            "the old inputs against the stored numbers, taken first, and not averaged over orders."
        )
    total = {number: found[number] - stored[number] for number in NUMBERS}
    of = new.analysis.model.pooled
    return {"of": of, "shares": shares, "total": total, "refits": refits, "note": note}


def changed_factors(old: Basis, new: Basis) -> tuple[str, ...]:
    """Name the factors in which two sides differ."""
    differs = {
        "data": old.source.digest() != new.source.digest(),
        "model": _structure(old.analysis) != _structure(new.analysis),
        "prior": _priors(encode(old.analysis)) != _priors(encode(new.analysis)),
    }
    return tuple(name for name in FACTORS if differs[name])


def shapley(players: Sequence[str], player: str, value: Callable[[frozenset[str]], float]) -> float:
    """Average what a player adds over all orders in which the players may come."""
    others = [name for name in players if name != player]
    count = len(players)
    total = 0.0
    for size in range(count):
        weight = factorial(size) * factorial(count - size - 1) / factorial(count)
        for before in combinations(others, size):
            own = frozenset(before)
            total += weight * (value(own | {player}) - value(own))
    return total


def numbers(analysis: Analysis, source: Evidence) -> Triple:
    """Fit an analysis for the numbers of its headline alone."""
    return fitted(analysis, selected(analysis, source).evidence)


def fitted(analysis: Analysis, rows: Evidence) -> Triple:
    """Fit rows that are selected already, for the numbers alone."""
    model = analysis.model
    engine = analysis.engine or Exact(draws=0, study_effects=False)
    if analysis.engine is None and engine.refuses(model, rows):
        engine = choose(model, rows)
    table = summarise(fit(model, rows, engine=engine, seed=analysis.seed))
    if model.pooled not in table.index:
        raise SpecError(f"{analysis.id}: the model has no pooled mean; nothing can be attributed.")
    return of_row(dict(table.loc[model.pooled]))


def of_row(row: Mapping[str, Any]) -> Triple:
    """Take the attributed numbers of a row of a summary."""
    mean = row["mean"]
    centre = row["median"] if mean is None or mean != mean else mean  # noqa: PLR0124 - NaN
    return {
        "mean": float(centre),
        "width": float(row["upper"]) - float(row["lower"]),
        "probability": float(row["probability"]),
    }


def left_out(side: Basis, studies: Sequence[str], found: Triple) -> list[dict[str, Any]]:
    """Say what each new study did: the result with it less the result without it."""
    rows = selected(side.analysis, side.source).evidence
    names = rows.data["study"].to_numpy().astype(str)
    effects = []
    for study in studies[:MOST_LEFT_OUT]:
        keep = names != study
        if not keep.any():
            continue
        without = fitted(side.analysis, rows.rows(keep))
        effects.append(
            {"study": study, **{number: found[number] - without[number] for number in NUMBERS}}
        )
    return effects


def mixed(old: Analysis, new: Analysis, *, model: bool, prior: bool) -> Analysis:
    """Take the model of one analysis and the priors of another."""
    base, other = (new, old) if model else (old, new)
    if model == prior:
        return base
    table = encode(base)
    table["variant"] = []
    _replace(table, "", _priors(encode(other)))
    faults = Faults(SpecError)
    found = decode(Analysis, table, where=f"{old.id}: mixture of old and new", faults=faults)
    if found is None:
        faults.stop()
    return found


def _structure(analysis: Analysis) -> str:
    """Hash rows, terms and likelihood, whatever the priors."""
    parts = ("evidence", "term", "likelihood", "selection")
    table = {name: encode(getattr(analysis, name)) for name in parts}
    blank = dict.fromkeys(_priors(table), "prior")
    _replace(table, "", blank)
    return digest(table)


def _priors(table: Any, path: str = "") -> dict[str, Any]:
    """Every prior of an encoded analysis, by a path that does not depend on the order of terms."""
    found: dict[str, Any] = {}
    for name, item in _items(table):
        here = f"{path}/{name}"
        if _is_prior(item):
            found[here] = item
        elif not here.startswith(("/variant", "/conclusion")):
            found |= _priors(item, here)
    return found


def _replace(table: Any, path: str, priors: Mapping[str, Any]) -> None:
    for place, (name, item) in enumerate(_items(table)):
        here = f"{path}/{name}"
        if here in priors:
            table[name if isinstance(table, dict) else place] = priors[here]
        elif not _is_prior(item):
            _replace(item, here, priors)


def _items(table: Any) -> list[tuple[str, Any]]:
    if isinstance(table, dict):
        return list(table.items())
    if isinstance(table, list):
        return [(_key(item, place), item) for place, item in enumerate(table)]
    return []


def _key(item: Any, place: int) -> str:
    if not isinstance(item, dict) or "kind" not in item:
        return str(place)
    return ":".join(str(item.get(part, "")) for part in ("kind", "name", "column", "by"))


def _is_prior(item: Any) -> bool:
    return isinstance(item, dict) and item.get("kind") in kinds("prior")
