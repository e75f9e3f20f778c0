"""The class of a stored run, worked out again from the probabilities that it stored."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from bayesrtw.analysis.conclusion import Rules, classify
from bayesrtw.bounded import bytes_of
from bayesrtw.errors import BayesrtwError
from bayesrtw.living.plain import parsed
from bayesrtw.living.store import Run

#: Two ways to the same stored probability differ by no more than their last printed digit.
NEAR = 1e-9


def contradicted(run: Run) -> Iterator[str]:
    """Say where a run's class does not follow from what it stored."""
    result = run.manifest["result"]
    told, concluded = result.get("class", ""), result.get("conclusion")
    if not isinstance(concluded, dict):
        if told:
            yield f"its class is {told!r}, and it has no probabilities for that."
        return
    try:
        rules = _rules(parsed(bytes_of(run.folder / "analysis.json")))
        synthesis = parsed(bytes_of(run.folder / "synthesis.json"))
        benefit, harm = (float(concluded[name]) for name in ("benefit", "harm"))
        sceptical = concluded.get("sceptical")
        doubted = sceptical is not None and float(sceptical) < rules.sceptical
        pooled = _pooled(synthesis, rules)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, BayesrtwError) as error:
        # A file that is not as it was written is a fault already.
        yield f"its class cannot be worked out again ({type(error).__name__}: {error})."
        return
    if pooled is not None and not math.isclose(pooled, benefit, abs_tol=NEAR):
        yield (
            f"its probability of benefit is {benefit:.6g} in run.json and {pooled:.6g} in synthesis.json."
        )
    possible = set()
    for before in ("", *rules.classes):
        name = classify(rules, benefit if pooled is None else pooled, harm, before=before)
        if name == rules.classes[0] and (doubted or result.get("failed")):
            name = rules.classes[1]
        possible.add(name)
    if told not in possible or concluded.get("name") != told:
        follows = " or ".join(repr(name) for name in rules.classes if name in possible)
        yield f"its class is {told!r}; from its probability of benefit, {benefit:.4g}, follows {follows}."


def _rules(analysis: Mapping[str, Any]) -> Rules:
    """Take the rules of a stored analysis; those that this version does not know decide no class."""
    known = {each.name for each in fields(Rules)}
    return Rules(**{name: each for name, each in analysis["conclusion"].items() if name in known})


def _pooled(synthesis: Mapping[str, Any], rules: Rules) -> float | None:
    """Find the probability of benefit of the pooled mean, where an estimand asks for it."""
    side = "below" if synthesis.get("benefit") == "lower" else "above"
    threshold = -rules.threshold if side == "below" else rules.threshold
    for each in synthesis["estimands"].values():
        asked = each.get("of") == "mu" and each.get("side") == side
        if asked and math.isclose(each.get("threshold", math.nan), threshold, abs_tol=NEAR):
            return float(each["probability"])
    return None
