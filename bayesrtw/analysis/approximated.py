"""How far the normal approximation of counts is from their likelihood, where both were fitted."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bayesrtw.analysis.spec import Analysis, vary
from bayesrtw.errors import Finding
from bayesrtw.evidence.measure import Measure
from bayesrtw.printed import decimals, figure, with_interval

if TYPE_CHECKING:
    import pandas as pd


def approximated(
    analysis: Analysis,
    estimates: "pd.DataFrame",
    variants: "Mapping[str, pd.DataFrame]",
    measure: Measure,
) -> list[Finding]:
    """Compare the pooled mean with that of variants in which counts are normal estimates."""
    asked = [each.name for each in analysis.estimand if each.of == analysis.model.pooled]
    if analysis.likelihood.offers.inspects is None or not asked:
        return []
    own, found = _figures(estimates, asked[0]), []
    places = decimals([0.5 * (own["upper"] - own["lower"])], log=measure.log)
    for variant in analysis.variant:
        changed = vary(analysis, variant)
        if changed.likelihood.offers.inspects is not None or changed.term != analysis.term:
            continue
        other = _figures(variants[variant.name], asked[0])
        said = [
            with_interval(
                *(float(measure.back(row[end])) for end in ("median", "lower", "upper")),
                log=measure.ratio,
                places=places,
            )
            for row in (other, own)
        ]
        moved = (other["mean"] - own["mean"]) / own["sd"]
        wide = other["sd"] / own["sd"]
        text = (
            "As normal estimates, with 0.5 added where a cell is zero, the pooled "
            f"{measure.title.lower()} would be {said[0]} in place of {said[1]}: its mean "
            f"{figure(moved, 2, plus=True)} SDs away, its SD {figure(wide, 3)} times as large."
        )
        found.append(Finding("normal-approximation", "note", text))
    return found


def _figures(table: "pd.DataFrame", name: str) -> dict[str, float]:
    """Give the figures of one answer."""
    row = table.loc[name].to_dict()
    return {end: float(row[end]) for end in ("mean", "sd", "median", "lower", "upper")}
