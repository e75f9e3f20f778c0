"""The numbers of a run that updates compare, each with its numerical error."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayesrtw.analysis.run import Synthesis
from bayesrtw.dims import CHAIN, DRAW
from bayesrtw.posterior.sampling import arviz

#: What is compared of each registered question.
COMPARED = ("mean", "width", "probability")

#: A difference below this many errors is no change (living evidence: noise is never news).
ERRORS = 5.0

#: Rounding of double precision in inverted quantiles, relative to the posterior's SD.
ROUNDING = 1e-10

#: The error of a sampled quantile in units of sd / sqrt(ESS): sqrt(q (1 - q)) / density at 0.025.
QUANTILE_ERROR = 2.7

Figures = dict[str, dict[str, Any]]


def figures(synthesis: Synthesis) -> Figures:
    """Give the compared numbers of a run."""
    found: Figures = {}
    for name, row in synthesis.estimates.iterrows():
        numbers = {
            key: _number(row[key]) for key in ("mean", "sd", "lower", "upper", "probability")
        }
        lower, upper = numbers["lower"], numbers["upper"]
        width = upper - lower if lower is not None and upper is not None else None
        entry: dict[str, Any] = {"of": str(row["of"]), **numbers, "width": width}
        entry["error"] = _errors(
            synthesis.posterior, entry, str(row["variable"]), str(row["label"])
        )
        found[str(name)] = entry
    return found


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(float(value)) else None


def _errors(
    tree: xr.DataTree, entry: Mapping[str, Any], variable: str, label: str
) -> dict[str, float]:
    width, chance = entry["width"] or 0.0, entry["probability"]
    spread = entry["sd"] if entry["sd"] is not None else width / 4.0
    if "quadrature" in tree.children:
        moved = float(tree["quadrature"].to_dataset()["error"])
        size = max(abs(entry["mean"] or 0.0), spread)
        return {
            "mean": moved * size + ROUNDING * spread,
            "width": moved * width + ROUNDING * spread,
            "probability": moved + ROUNDING,
        }
    draws = tree["posterior"].to_dataset()[variable]
    extra = [dim for dim in draws.dims if dim not in (CHAIN, DRAW)]
    if extra:
        draws = draws.sel({extra[0]: label})
    several = [draws]
    if label and not extra:
        # At values of moderators it is a sum of the mean and coefficients.
        several.append(tree["posterior"].to_dataset()["beta"])
    root = math.sqrt(max(min(_ess(each) for each in several), 1.0))
    middle = math.sqrt(chance * (1.0 - chance)) if chance is not None else 0.0
    return {
        "mean": spread / root,
        "width": math.sqrt(2.0) * QUANTILE_ERROR * spread / root,
        "probability": max(middle, 1.0 / root) / root,
    }


def _ess(draws: xr.DataArray) -> float:
    name = "quantity"
    return float(np.min(arviz().ess(draws.to_dataset(name=name), method="bulk")[name].to_numpy()))


def moved(old: Figures, new: Figures, *, tolerance: float = 0.0) -> list[dict[str, Any]]:
    """Compare the numbers of two runs."""
    found = []
    for name in [*old, *(name for name in new if name not in old)]:
        for number in COMPARED:
            before = old.get(name, {}).get(number)
            after = new.get(name, {}).get(number)
            if before is None and after is None:
                continue
            noise, change = None, None
            changed = True
            if before is not None and after is not None:
                change = after - before
                noise = ERRORS * (old[name]["error"][number] + new[name]["error"][number])
                if number != "probability":
                    noise = max(noise, tolerance)
                changed = abs(change) > noise
            found.append(
                {
                    "estimand": name,
                    "number": number,
                    "old": before,
                    "new": after,
                    "change": change,
                    "noise": noise,
                    "moved": changed,
                }
            )
    return found
