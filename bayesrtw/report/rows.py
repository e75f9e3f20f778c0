"""The rows behind a synthesis: each number with where it was read and how it was converted."""

import math
from typing import Any

from scipy.special import ndtri

from bayesrtw.analysis.run import Synthesis
from bayesrtw.dims import ESTIMATE
from bayesrtw.evidence.coding import PLUS, UNCLEAR_COLUMN
from bayesrtw.evidence.measure import measure_named
from bayesrtw.evidence.participants import number_in, people_of
from bayesrtw.evidence.printed_interval import printed_interval
from bayesrtw.model.translated import own_values

#: Columns that a reader may ask of a row, in order; those that evidence does not have are left out.
WORDS = (
    "study",
    "outcome",
    "design",
    "country",
    "condition",
    "contrast",
    "stratum",
    "adjusted",
    "adjusted_for",
    "role",
    "conversion",
    "locator",
    "source",
    "text_level",
    "note",
    "doubts",
    "trial_family",
)
#: Words that every row has, empty where the evidence does not.
ALWAYS = ("study", "design", "conversion", "locator", "note", "doubts")

NUMBERS = ("year", "follow_up_months", "effect", "se")


def rows(synthesis: Synthesis, most: int) -> list[dict[str, Any]]:
    """List the first pooled rows, at most so many, as plain data."""
    data = synthesis.evidence.data
    measure = measure_named(str(synthesis.posterior.attrs["measure"]))
    columns = {str(name): data[name].to_numpy() for name in data.data_vars}
    asked = [each.column for each in synthesis.analysis.model.moderators if each.shape != "rows"]
    open_ = _open_parts(synthesis)
    judged: dict[str, list[dict[str, str]]] = {}
    for each in synthesis.evidence.judgements.rows:
        judged.setdefault(each.study, []).append(
            {"instrument": each.instrument, "domain": each.domain, "judgement": each.judgement}
        )
    translated = _translated(synthesis)
    found = []
    for place, label in enumerate(data[ESTIMATE].to_numpy()[:most]):
        effect, se = float(columns["effect"][place]), float(columns["se"][place])
        ends = [effect, effect + float(ndtri(0.025)) * se, effect - float(ndtri(0.025)) * se]
        back = dict(zip(("median", "lower", "upper"), measure.back(ends).tolist(), strict=True))
        row: dict[str, Any] = {"estimate": str(label), **dict.fromkeys(ALWAYS, "")}
        row |= {name: _word(columns[name][place]) for name in WORDS if name in columns}
        row |= {name: number_in(columns[name][place]) for name in NUMBERS if name in columns}
        if place in translated:
            three, said = translated[place]
            row["conversion"] = row["conversion"] or said
            back = dict(zip(back, measure.back(three).tolist(), strict=True))
        row["own"] = {name: value if math.isfinite(value) else None for name, value in back.items()}
        told = printed_interval(synthesis.evidence, place, measure)
        row["own_printed"] = told[1] if told is not None and place not in translated else ""
        row["printed"] = _printed(columns, place)
        row["n"] = people_of(columns, place)
        row["baseline"] = _baseline(columns, place)
        row["moderators"] = {name: _cell(columns[name][place]) for name in asked if name in columns}
        row["moderators"] |= {name: cells[place] for name, cells in open_.items()}
        row["bias"] = judged.get(str(columns["study"][place]), [])
        found.append(row)
    return found


def _open_parts(synthesis: Synthesis) -> dict[str, list[str]]:
    """Give columns with the parts that arms may have and nobody tells, of sides where there are some."""
    model, evidence = synthesis.analysis.model, synthesis.evidence
    read = [each.column for each in model.moderators if each.shape == "sets"]
    terms = [term.facts.arms for term in model.terms if term.facts.arms is not None]
    return {
        f"{column}{UNCLEAR_COLUMN}": [PLUS.join(arm) for arm in side]
        for term in terms
        for column, side in zip(read, term.open(evidence), strict=False)
        if any(side)
    }


def _translated(synthesis: Synthesis) -> dict[int, tuple[tuple[float, float, float], str]]:
    """Give own values of rows that report none on this scale, and what their likelihood made them of."""
    likelihood, evidence = synthesis.analysis.model.likelihood, synthesis.evidence
    values = own_values(likelihood, evidence, 0.95)
    speaks = likelihood.offers.speaks
    if not values or speaks is None:
        return {}
    spoken, found = speaks.spoken(evidence), {}
    for place, ends in values.items():
        parts = spoken[place].parts or (spoken[place].whole,)
        found[place] = ends, f"by its likelihood, of {'; '.join(each.said for each in parts)}"
    return found


def _word(value: Any) -> str:
    text = str(value)
    return "" if text == "nan" else text


def _cell(value: Any) -> str | float | None:
    return str(value) if isinstance(value, str) else number_in(value)


def _baseline(columns: dict[str, Any], place: int) -> float | None:
    """Share of the comparison group with the event, where counts are printed."""
    pair = [number_in(columns[name][place]) for name in ("events_c", "n_c") if name in columns]
    if len(pair) < 2 or pair[0] is None or not pair[1]:
        return None
    return pair[0] / pair[1]


def _printed(columns: dict[str, Any], place: int) -> str:
    """Put the numbers as the source prints them into one line."""

    def at(name: str) -> str:
        number = number_in(columns[name][place]) if name in columns else None
        return "" if number is None else f"{number:.10g}"

    parts = []
    if at("estimate_printed"):
        ends = f" ({at('ci_low') or '?'} to {at('ci_high') or '?'})"
        parts.append(at("estimate_printed") + (ends if at("ci_low") or at("ci_high") else ""))
    if at("se_printed"):
        parts.append(f"SE {at('se_printed')}")
    if at("events_t"):
        parts.append(f"{at('events_t')}/{at('n_t')} against {at('events_c')}/{at('n_c')}")
    elif at("n_t"):
        parts.append(f"n = {at('n_t')} and {at('n_c') or '?'}")
    for what in ("mean", "median"):
        if at(f"{what}_t"):
            arms = [
                at(f"{what}_{arm}") + (f" (SD {at(f'sd_{arm}')})" if at(f"sd_{arm}") else "")
                for arm in ("t", "c")
            ]
            parts.append(f"{what} {arms[0]} against {arms[1] or '?'}")
    if "p_value" in columns and _word(columns["p_value"][place]):
        sign = _word(columns["p_value"][place])
        parts.append(f"P = {sign}" if sign[:1] in ".01" else f"P {sign}")
    kind = _word(columns["reported"][place]).replace("_", " ") if "reported" in columns else ""
    return " ".join(filter(None, [kind, "; ".join(parts)]))
