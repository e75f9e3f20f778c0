"""Everything that a report says, as one JSON document: the synthesis and what it is held against."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesrtw.analysis.concluded import conclusion
from bayesrtw.analysis.explore import Cell, Explored, explore
from bayesrtw.analysis.ladder import ladder
from bayesrtw.analysis.run import Synthesis
from bayesrtw.analysis.sensitivity import NEXT, POWER, PREDICTIVE, Panel, sensitivity
from bayesrtw.analysis.severity import severity
from bayesrtw.decision.risks import BASELINES, MEASURES, per_thousand, risk
from bayesrtw.engine.allocated_fit import silent
from bayesrtw.errors import BayesrtwError
from bayesrtw.evidence.measure import Measure, measure_named
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.spec import Model
from bayesrtw.model.term import told_apart
from bayesrtw.question.missing import SUMMED, missing_column, missing_levels
from bayesrtw.question.predictive import chance_of_smallest
from bayesrtw.report.behind import conflicts_of
from bayesrtw.report.checklist import checklist
from bayesrtw.report.classical import classical_of
from bayesrtw.report.decided import decided_of
from bayesrtw.report.document import document, number
from bayesrtw.report.held import held, names_of
from bayesrtw.report.ladder import as_data, meaning
from bayesrtw.report.next_trial import next_trial_of
from bayesrtw.report.parts import parts_of
from bayesrtw.report.words import prior_in_words

if TYPE_CHECKING:
    import pandas as pd

#: Significant digits of the grid's numbers: a page prints three or four.
DIGITS = 9


#: Questions of a panel that a report shows beside its specifications.
ASKED = (POWER, NEXT, PREDICTIVE)

#: What a report says in place of the alternatives where they were not asked for, or are too many.
NOT_NOW = "The alternatives were not computed for this report; `bayesrtw run` computes them."
TOO_MANY = "The alternatives were not computed, because more than {:,} estimates are pooled."

#: Most estimates whose result is held against its alternatives.
MOST_HELD = 5_000


def record(
    synthesis: Synthesis, source: Evidence | None = None, *, alternatives: bool = True
) -> dict[str, Any]:
    """Hold a synthesis against its alternatives, and write all of it as plain data."""
    found = document(synthesis)
    measure = measure_named(found["measure"])
    many = synthesis.evidence.size > MOST_HELD
    missing = TOO_MANY.format(MOST_HELD) if alternatives and many else NOT_NOW
    alternatives = alternatives and not many
    panel, why = _panel(synthesis, source) if alternatives else (None, missing)
    found["behind"]["conflicts"] = conflicts_of(panel) if panel else None
    found["conclusion"] = _conclusion(synthesis)
    found["sensitivity"] = _sensitivity(panel, measure) if panel else None
    found["sensitivity_missing"] = why
    found["outlook"] = (
        _table(panel.questions[NEXT], measure) if panel and NEXT in panel.questions else None
    )
    found["next_trial"] = next_trial_of(synthesis) if alternatives else None
    found["predictive"] = _predictive(panel, measure) if panel else None
    arms = bool(synthesis.evidence.single_arms.any())
    if alternatives and not arms:
        grid, found["explore_missing"] = _grid(synthesis, panel)
    else:
        grid, why = None, "no alternatives were worked out."
        found["explore_missing"] = "rows are single arms, which are no effects." if arms else why
    found["explore"] = _explore(grid, synthesis.analysis.model) if grid else None
    found["severity"] = _severity(synthesis, measure) if alternatives else None
    found["missing_levels"] = _missing(synthesis, measure) if alternatives else None
    found["parts"] = parts_of(synthesis, measure)
    found["classical"] = classical_of(synthesis, measure)
    found["ladder"] = _ladder(synthesis, source) if alternatives else None
    found["change"] = None
    found["absolute"] = _absolute(found)
    found["decided"] = decided_of(synthesis)
    found["checklist"] = checklist(found)
    return found


def _panel(synthesis: Synthesis, source: Evidence | None) -> tuple[Panel | None, str]:
    """Run the panel; say why where a model has none."""
    try:
        return sensitivity(synthesis.analysis, _origin(synthesis, source), only=ASKED), ""
    except BayesrtwError as error:
        return None, str(error)


def _severity(synthesis: Synthesis, measure: Measure) -> dict[str, Any] | None:
    """Ask how selected the published results would have to be; None where they are no published sample."""
    if synthesis.evidence.provenance.sample != "published":
        return None
    try:
        found = severity(synthesis)
    except BayesrtwError as error:
        return {"rows": [], "said": "", "missing": str(error)}
    keys = ("median", "lower", "upper", "probability", "conclusion")
    return {
        "rows": _table(found.table[list(keys)], measure),
        "said": found.said,
        "step": found.step,
        "changes_at": found.changes_at,
        "levels": list(found.levels),
        "missing": "",
    }


def _missing(synthesis: Synthesis, measure: Measure) -> dict[str, Any] | None:
    """Ask what missing levels cost, and what other ways would say; None where none are missing."""
    model, evidence = synthesis.analysis.model, synthesis.evidence
    try:
        if not silent(model, evidence):
            return None
        table = missing_levels(model, evidence)
    except BayesrtwError as error:
        return {"quantities": [], "ways": [], "said": "", "missing": str(error)}
    ways = list(dict.fromkeys(table.index.get_level_values("way")))
    whole = table.loc[SUMMED]
    # A level is shown by its mean, and a part by what it adds.
    levels = [f"beta[{each.name}[" for each in model.moderators if each.shape == "levels"]
    shown = [
        name
        for name in whole.index
        if name == model.pooled
        or name.startswith("mu_level[")
        or (name.startswith("beta[") and not name.startswith(tuple(levels)))
    ]
    quantities = []
    for name in shown:
        own = {way: table.loc[(way, name)] for way in ways if (way, name) in table.index}
        quantities.append(
            {
                "name": name,
                "missing_information": number(whole.loc[name, "missing_information"]),
                "ways": {way: _back(dict(row), measure) for way, row in own.items()},
            }
        )
    rows = {way: int(table.loc[way, "rows"].iloc[0]) for way in ways}
    return {
        "column": missing_column(model, evidence),
        "said": table.describe(),
        "ways": [{"name": way, "rows": rows[way]} for way in ways],
        "quantities": quantities,
        "missing": "",
    }


def _back(cells: dict[str, Any], measure: Measure) -> dict[str, Any]:
    """Write median and ends on both scales."""
    ends = ("median", "lower", "upper")
    return {
        **{key: number(cells[key]) for key in ends},
        "back_transformed": {key: number(measure.back(cells[key])) for key in ends},
    }


def _grid(synthesis: Synthesis, panel: Panel | None) -> tuple[Explored | None, str]:
    """Work out the grid; say why where a model has none."""
    try:
        grid = explore(synthesis, panel)
    except BayesrtwError as error:
        return None, str(error)
    why = "the analysis was not fitted by the exact engine, or it has no pooled mean."
    return grid, "" if grid else why


def _ladder(synthesis: Synthesis, source: Evidence | None) -> dict[str, Any] | None:
    """Climb the ladder where trials and cohorts are pooled; what must be sampled is left out."""
    evidence, studies = synthesis.evidence, synthesis.analysis.ladder.studies
    pooled = synthesis.analysis.model.pooled
    if studies.column not in evidence.data or pooled not in synthesis.quantities.index:
        return None
    if not evidence.direction.benefit:
        return None
    rows = studies.among(evidence)
    if rows.all() or not rows.any():
        return None
    climbed = ladder(synthesis.analysis, _origin(synthesis, source), sampled=False)
    return as_data(climbed, synthesis.analysis)


def _origin(synthesis: Synthesis, source: Evidence | None) -> Evidence | None:
    """Give the rows that alternatives are selected from; None where the analysis names their data set."""
    name = synthesis.evidence.provenance.dataset
    named = name != "" and name == synthesis.analysis.evidence.dataset
    return source if source is not None or named else synthesis.evidence


def _conclusion(synthesis: Synthesis) -> str | None:
    found = conclusion(synthesis)
    return found.name if found else None


def _sensitivity(panel: Panel, measure: Measure) -> dict[str, Any]:
    names = names_of(panel.about.evidence)
    told, tables = held(panel), {}
    for heading, table in panel.tables.items():
        known = names.get(heading, {})
        tables[heading] = [
            {**row, "known_as": known.get(row["name"], row["name"]), "change": number(change)}
            for row, change in zip(_table(table, measure), told[heading]["change"], strict=True)
        ]
    return {"robustness": panel.robustness, "caveat": panel.caveat, "tables": tables}


def _predictive(panel: Panel, measure: Measure) -> dict[str, Any]:
    """Write what the others and the priors expect of each estimate, on the reported scale too."""
    table = panel.questions[PREDICTIVE]
    found: dict[str, Any] = {}
    for kind, before in (("others", ""), ("prior", "prior_")):
        tails = table[f"{before}tail"].to_numpy()
        rows = []
        for values in table[
            [f"{before}{name}" for name in ("expected", "lower", "upper")]
        ].to_numpy():
            known = bool(np.all(np.isfinite(values)))
            ends = (number(measure.back(value)) for value in values)
            rows.append(
                dict(zip(("median", "lower", "upper"), ends, strict=True)) if known else None
            )
        chance = chance_of_smallest(tails)
        found[kind] = {
            "intervals": rows,
            "tails": [number(tail) for tail in tails],
            "smallest": str(table.index[int(np.nanargmin(tails))]) if np.isfinite(chance) else None,
            "smallest_tail": number(np.nanmin(tails)) if np.isfinite(chance) else None,
            "chance": number(chance),
        }
    return found


def _table(table: "pd.DataFrame", measure: Measure) -> list[dict[str, Any]]:
    """Write a table of the panel as rows, with its ends on the reported scale too."""
    found = []
    for name, cells in table.iterrows():
        row: dict[str, Any] = {"name": str(name)}
        row |= {str(key): _figure(value) for key, value in cells.items()}
        row["back_transformed"] = {
            key: number(measure.back(value))
            for key, value in cells.items()
            if key in ("median", "lower", "upper") and np.isfinite(value)
        }
        found.append(row)
    return found


def _figure(value: Any) -> Any:
    return value if isinstance(value, str | bool) else number(value)


def _explore(grid: Explored, model: Model) -> dict[str, Any]:
    """Write the grid; ``cells[rung][left_out][prior]``, None where a posterior would be improper.

    Effects and weights of a cell are those of the rows whose places ``shown`` lists.
    """
    return {
        "spreads": len(model.spreads),
        "between": f"τ{told_apart(model.hyperparameters)[grid.prior_of]}" if grid.prior_of else "",
        "priors": [{"name": name, "label": prior_in_words(prior)} for name, prior in grid.priors],
        "left_out": [
            {
                "kind": each.kind,
                "name": each.name,
                "label": each.label,
                "rows": list(each.rows),
                "empty": list(each.empty),
            }
            for each in grid.left_out
        ],
        "shown": list(grid.shown),
        "rungs": [
            {"name": name, "label": meaning(name) if place else "as registered"}
            for place, name in enumerate(grid.rungs)
        ],
        "estimands": [
            {
                "name": each.name,
                "of": each.quantity,
                "which": each.which(model),
                "ci_prob": each.ci_prob,
            }
            for each in grid.estimands
        ],
        "cells": [[[_cell(each) for each in row] for row in rung] for rung in grid.cells],
    }


def _cell(cell: Cell | None) -> dict[str, Any] | None:
    if cell is None:
        return None
    return {
        "answers": [_shortened(each) for each in cell.answers],
        "tau": _short(cell.tau),
        "effects": [_shortened(each) for each in cell.effects],
        "weights": [None if each is None else _short(each) for each in cell.weights],
    }


def _shortened(values: Sequence[float] | None) -> list[float | None] | None:
    return None if values is None else [_short(value) for value in values]


def _short(value: float) -> float | None:
    found = number(value)
    return None if found is None else float(f"{found:.{DIGITS}g}")


def _absolute(found: dict[str, Any]) -> dict[str, Any] | None:
    """Work out people of 1000 at a few baseline risks, for the mean and for a new setting."""
    if found["measure"] not in MEASURES or not found["pooled"]:
        return None
    counted = [row["baseline"] for row in found["rows"] if row.get("baseline") is not None]
    baselines = sorted({*BASELINES, *([_middle(counted)] if counted else [])})
    return {
        "counted": _middle(counted) if counted else None,
        "counted_rows": len(counted),
        "rows": [
            {
                "baseline": baseline,
                **{
                    name: _people(found, name, baseline)
                    for name in (found["pooled"]["of"], found["pooled"]["new"])
                    if name
                },
            }
            for baseline in baselines
        ],
    }


def _middle(values: list[float]) -> float:
    return round(float(np.median(values)), 2)


def _people(found: dict[str, Any], name: str, baseline: float) -> dict[str, float]:
    row = found["estimates"][name]
    ends = {end: row[end] for end in ("median", "lower", "upper")}
    return {
        "with": 1000.0 * float(risk(found["measure"], ends["median"], baseline)),
        **{
            end: float(per_thousand(found["measure"], value, baseline))
            for end, value in ends.items()
        },
    }
