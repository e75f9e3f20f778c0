"""The answers to an analysis's questions: one row an estimand."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesrtw.analysis.spec import Analysis, Estimand
from bayesrtw.engine.fitted import Expects
from bayesrtw.errors import SpecError
from bayesrtw.evidence.measure import measure_named
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.spec import NEW
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.summarise import IntervalKind, probability_beyond, summarise, summary_of
from bayesrtw.question.predict import expected_at, expecting, row_at, setting_in_words
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


def answers(analysis: Analysis, evidence: Evidence, tree: xr.DataTree) -> "pd.DataFrame":
    """Summarise each estimand with its own interval and threshold."""
    import pandas as pd  # noqa: PLC0415

    higher = tree.attrs["benefit"] != "lower"
    compares = measure_named(str(tree.attrs["measure"])).groups == 2
    tables: dict[tuple[float, IntervalKind], pd.DataFrame] = {}
    # One fit answers every question at values: its nodes are laid once.
    settled = any(question.at for question in analysis.estimand)
    whole = expecting(analysis.model, evidence, tree) if settled else None
    told = {} if whole is None else _together(whole, analysis)
    rows = []
    for question in analysis.estimand:
        above, threshold = question.beyond or (higher, 0.0)
        try:
            if question.at and whole is not None:
                found = told.get(question.name) or expected_at(whole, question.of, question.at)
                row = _at(found, tree, question, threshold, above=above)
            else:
                kind = question.ci_prob, question.ci_kind
                if kind not in tables:
                    tables[kind] = summarise(tree, ci_prob=kind[0], ci_kind=kind[1])
                row = _held(tree, tables[kind], question, threshold, above=above)
        except SpecError as error:
            raise SpecError(f"{analysis.id}: estimand {question.name!r} {error}") from None
        spread = row["variable"] in str(tree.attrs["hyper"]).split()
        if question.beyond is None and (spread or not compares):
            row["probability"] = math.nan
        asked = {"of": question.quantity, "which": question.which(analysis.model)}
        rows.append({**row, **asked, "threshold": threshold, "above": above})
    return pd.DataFrame(
        rows, index=pd.Index([each.name for each in analysis.estimand], name="estimand")
    )


def _held(
    tree: xr.DataTree, table: "pd.DataFrame", question: Estimand, threshold: float, *, above: bool
) -> dict[Any, Any]:
    """Answer by a quantity that the tree holds."""
    if question.of not in table.index:
        hint = suggestion(question.of, [str(name) for name in table.index])
        raise SpecError(f"asks for {question.of!r}; {hint}")
    row = table.loc[question.of].to_dict()
    chance = probability_beyond(tree, row["variable"], row["label"], threshold, above=above)
    return {**row, "probability": chance}


def _together(whole: Expects, analysis: Analysis) -> dict[str, Kernels]:
    """Give means that are asked for at values, all at once: a sum over levels is then taken once."""
    rows = dict[str, Array]()
    for question in analysis.estimand:
        if question.at and question.of in NEW:
            try:
                rows[question.name] = row_at(whole, question.of, question.at)[0]
            except SpecError as error:
                raise SpecError(f"{analysis.id}: estimand {question.name!r} {error}") from None
    found = whole.mean_at(np.array(list(rows.values()))) if rows else []
    return dict(zip(rows, found, strict=True))


def _at(
    found: Kernels, tree: xr.DataTree, question: Estimand, threshold: float, *, above: bool
) -> dict[Any, Any]:
    """Answer by what is expected at values of moderators."""
    row = summary_of(found, tree, ci_prob=question.ci_prob, ci_kind=question.ci_kind)
    told = {"variable": question.of, "label": setting_in_words(question.at)}
    return {**told, **row, "probability": found.beyond(threshold, above=above)}
