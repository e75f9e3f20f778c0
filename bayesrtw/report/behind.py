"""What stands behind a number, beside it: its priors, what they weigh, and every doubt, in a line each."""

import math
from typing import Any, Final

import numpy as np

from bayesrtw.analysis.default import by_default
from bayesrtw.analysis.run import Synthesis
from bayesrtw.analysis.sensitivity import POWER, Panel
from bayesrtw.doubt.inspect import beside
from bayesrtw.evidence.measure import Measure
from bayesrtw.model.contract import Prior
from bayesrtw.posterior.diagnose import LITTLE_LEARNED, narrowing
from bayesrtw.posterior.stored import shares_in
from bayesrtw.posterior.tree import pooled_of
from bayesrtw.reading.flat import UNSTATED
from bayesrtw.report.block import Jump, Number, Quoted, Text
from bayesrtw.report.words import label, prior_in_words, quantity

#: Effects of 95 % of settings lie within this many SDs of their mean.
WITHIN: Final = 1.96

#: Measures where a distance on the analysis scale is a factor of something, and of what.
_FACTOR_OF: Final = {"log": "", "logit": " of the odds"}

#: As many names are listed before the rest is counted.
_LISTED: Final = 4

#: As many doubts stand beside the answer, each with its row, before they are counted.
_NAMED: Final = 3

#: Checks that say that a row was not used.
_OUT: Final = (
    "quarantined", "left-out", "out-of-range", "other-measure", "no-events", "no-standard-error",
    "critical-left-out", "no-result",
)  # fmt: skip


def behind_of(synthesis: Synthesis, measure: Measure) -> dict[str, Any]:
    """Say what each prior means on the reported scale, what it weighs, and what is doubtful about rows."""
    model, tree = synthesis.analysis.model, synthesis.posterior
    source = tree["quadrature"].to_dataset() if "quadrature" in tree.children else None
    shares = None if source is None else shares_in(source, pooled_of(tree))
    priors = []
    if model.mean is not None:
        own = _prior("mu", "mean", model.mean)
        own["back_transformed"] = _back(own, measure)
        own["weight"] = None if shares is None else shares[1]
        priors.append(own)
    for name in model.spreads:
        prior = model.hyperparameters[name].prior
        own = _prior(name, "spread", prior)
        own["level"] = model.hyperparameters[name].level
        own["reach"] = _reach(own, measure)
        own["narrowing"] = (
            None if source is None or not prior.proper else narrowing(source, name, prior)
        )
        priors.append(own)
    mean = model.which(model.pooled) or (
        "mean of effects that differ between settings"
        if model.spreads
        else "the one effect that all studies share"
    )
    apart = [repr(label(each.name)) for each in model.moderators if each.shape == "rows"]
    if apart:
        mean += f", where {' and '.join(apart)} {'does' if len(apart) == 1 else 'do'} not apply"
    return {
        "mean": mean if model.pooled in synthesis.quantities.index else "",
        "priors": priors,
        "doubts": [
            each.message
            for each in beside(
                synthesis.evidence,
                counted=model.likelihood.offers.counted is not None,
                heard=model.likelihood.offers.speaks is not None,
            )
        ],
        "conflicts": None,
    }


def conflicts_of(panel: Panel) -> list[dict[str, Any]] | None:
    """List the quantities that power scaling calls sensitive to their prior; None where it was not asked."""
    table = panel.questions.get(POWER)
    if table is None:
        return None
    return [
        {
            "quantity": str(name),
            "prior": float(row["prior"]),
            "likelihood": float(row["likelihood"]),
            "surprise": None if math.isnan(row["surprise"]) else float(row["surprise"]),
            "diagnosis": str(row["diagnosis"]),
        }
        for name, row in table.to_dict(orient="index").items()
        if row["diagnosis"]
    ]


def _prior(of: str, kind: str, prior: Prior) -> dict[str, Any]:
    ends = prior.ppf(np.array([0.025, 0.975])).tolist() if prior.proper else (math.nan, math.nan)
    lower, upper = (float(end) if math.isfinite(end) else None for end in ends)
    return {
        "of": of,
        "kind": kind,
        "prior": prior_in_words(prior),
        "lower": lower,
        "upper": upper,
    }


def _back(own: dict[str, Any], measure: Measure) -> dict[str, float | None]:
    return {
        end: None if own[end] is None else float(measure.back(own[end]))
        for end in ("lower", "upper")
    }


def _reach(own: dict[str, Any], measure: Measure) -> dict[str, float] | None:
    """Say how far from their mean the effects of 95 % of settings lie, as a factor where one can say so."""
    if own["upper"] is None or measure.link.name not in (*_FACTOR_OF, "identity"):
        return None
    factor = measure.link.name in _FACTOR_OF
    # No double is larger than exp(709); no page prints one above 9999.
    far = {end: min(WITHIN * own[end], 700.0) for end in ("lower", "upper")}
    return {end: math.exp(value) if factor else value for end, value in far.items()}


def behind(content: dict[str, Any], measure: Measure) -> tuple[tuple[str, Text], ...]:
    """Write what stands behind the answer of a record: what each line is about, and what it says."""
    found = content["behind"]
    lines: list[tuple[str, Text]] = []
    if found["mean"]:
        lines.append(("Pooled", (Quoted(f"{found['mean']}."),)))
    if by_default(content["rationale"]):
        lines += [("Model", (Quoted(reason),)) for reason in content["rationale"]]
    called = {each.get("of", ""): each["name"] for each in content["analysis"]["estimand"]}
    for place, own in enumerate(found["priors"]):
        at = f"/behind/priors/{place}"
        name = called.get(own["of"], "") if own["kind"] == "spread" else ""
        said = _of_mean(own, at, measure) if own["kind"] == "mean" else _of_spread(own, at, measure)
        of = quantity(own["of"]) + (f" ({name})" if name else "")
        lines.append((f"Prior of {of}", (Quoted(own["prior"]), *said, ".")))
    if found["conflicts"] is not None:
        lines.append(("Prior against data", _conflicts(found["conflicts"])))
    if any(each["message"] == UNSTATED for each in content["findings"]):
        lines.append(("Direction", (Quoted(UNSTATED),)))
    lines += _doubts(content)
    return tuple(lines)


def _of_mean(own: dict[str, Any], at: str, measure: Measure) -> Text:
    said: Text = (", improper: it says nothing by itself",)
    if own["lower"] is not None:
        ends = f"{at}/back_transformed"
        said = (
            f": 95\u00a0% of it says {measure.abbreviation} ",
            Number(f"{ends}/lower"),
            " to ",
            Number(f"{ends}/upper"),
        )
    if own["weight"] is None:
        return said
    return (*said, "; it has ", Number(f"{at}/weight", "percent"), "\u00a0% of the weight")


def _of_spread(own: dict[str, Any], at: str, measure: Measure) -> Text:
    said: Text = (", improper: it says nothing by itself",)
    if own["lower"] is not None:
        said = (
            ": 95\u00a0% of it says SD ",
            Number(f"{at}/lower", "scale"),
            " to ",
            Number(f"{at}/upper", "scale"),
        )
    if own["reach"] is not None:
        factor = measure.link.name in _FACTOR_OF
        said = (
            *said,
            f", settings within {'×' if factor else '±'}",
            Number(f"{at}/reach/lower", "reach"),
            f" to {'×' if factor else '±'}",
            Number(f"{at}/reach/upper", "reach"),
            _FACTOR_OF.get(measure.link.name, ""),
            " of their mean",
        )
    if own["narrowing"] is None:
        return said
    mostly = own["narrowing"] > LITTLE_LEARNED
    words = " as wide after the data" + (", so that it is mostly this prior" if mostly else "")
    return (*said, "; ", Number(f"{at}/narrowing", "two"), words)


def _conflicts(found: list[dict[str, Any]]) -> Text:
    if not found:
        return ("no result is sensitive to the power of its prior.",)
    said: list[str] = []
    for diagnosis in dict.fromkeys(each["diagnosis"] for each in found):
        names = [quantity(each["quantity"]) for each in found if each["diagnosis"] == diagnosis]
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        said.append(f"{', '.join(names[:_LISTED])}{more}: {diagnosis}")
    return (Quoted(f"{'; '.join(said)} (power scaling)."),)


def _doubts(content: dict[str, Any]) -> list[tuple[str, Text]]:
    """Say few doubts about rows, count many, and rows that were left out; the section of checks has each."""
    found = content["behind"]["doubts"]
    shown = found if len(found) <= _NAMED else []
    lines: list[tuple[str, Text]] = [("Doubt", (Quoted(each),)) for each in shown]
    doubts = len(found) - len(shown)
    out = sum(each["check"] in _OUT for each in content["findings"])
    parts = []
    if doubts:
        parts.append(f"{_count(doubts)} {'doubt' if doubts == 1 else 'doubts'}")
    if out:
        parts.append(f"some left out for {_count(out)} {'reason' if out == 1 else 'reasons'}")
    if not parts:
        return lines or [("Rows", ("nothing doubtful was found.",))]
    told = Jump("checks", "Checks and findings")
    return [*lines, ("Rows", (f"{', '.join(parts)} (see ", told, ")."))]


#: Small numbers as a sentence has them.
_SMALL: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def _count(number: int) -> str:
    return _SMALL[number] if number < len(_SMALL) else str(number)
