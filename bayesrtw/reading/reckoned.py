"""Which measure effects without a name are of: reckoned from the groups that stand beside them."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bayesrtw.reading.cleaned import floats
from bayesrtw.reading.pairs import pairs

_Groups = Mapping[str, NDArray[np.float64]]

#: How closely an effect must agree with what its groups give: papers print two decimals.
_DIGITS: Final = 0.0051

#: What must be known of both groups.
_NEEDS: Final = (("events", "n"), ("events", "person_time"), ("mean", "sd", "n"))


def reckoned(
    columns: Mapping[str, Sequence[str]], roles: Mapping[str, str], words: Mapping[str, str]
) -> tuple[str, str]:
    """Find the one measure that effects agree with in all rows whose groups stand beside them."""
    if not {"effect", "estimate"} & roles.keys() or {"measure", "reported"} & roles.keys():
        return "", ""
    own = {role: heading for role, heading in roles.items() if role.endswith(("_t", "_c"))}
    if not own:
        ways = pairs({h: c for h, c in columns.items() if h not in roles.values()})
        own = dict(ways[0].roles) if len(ways) == 1 else {}
    groups = {role: floats(columns[heading]) for role, heading in own.items()}
    for end in ("t", "c"):
        if {f"events_{end}", f"non_events_{end}"} <= groups.keys():
            groups[f"n_{end}"] = groups[f"events_{end}"] + groups[f"non_events_{end}"]
    heading = roles.get("effect") or roles["estimate"]
    known = words.get("measure", "") or f"log_{words.get('reported', '')}"
    effect = floats(columns[heading])
    if "effect" not in roles:
        effect = np.log(np.where(effect > 0, effect, math.nan))
    for needs in _NEEDS:
        wanted = [f"{need}_{end}" for need in needs for end in ("t", "c")]
        if all(name in groups for name in wanted):
            # Rows with an empty cell tell no measure: such cells are filled in many ways.
            rows = np.isfinite(effect) & np.all([groups[name] > 0 for name in wanted], axis=0)
            if "person_time" not in needs and "events" in needs:
                rows &= (groups["n_t"] > groups["events_t"]) & (groups["n_c"] > groups["events_c"])
            if rows.sum() >= 2:
                held = {name: groups[name][rows] for name in wanted}
                given = _given(needs, held)
                if {"measure", "reported"} & words.keys():
                    return "", _turned(effect[rows], given, heading, known)
                return _agreeing(effect[rows], given, heading) if "effect" in roles else ("", "")
    return "", ""


def _given(needs: Sequence[str], of: _Groups) -> dict[str, NDArray[np.float64]]:
    """Give the effect of two groups in every measure that is made of such numbers."""
    if "mean" in needs:
        difference = of["mean_t"] - of["mean_c"]
        n_t, n_c = of["n_t"] - 1, of["n_c"] - 1
        squares = n_t * of["sd_t"] ** 2 + n_c * of["sd_c"] ** 2
        with np.errstate(all="ignore"):
            standardised = difference / np.sqrt(squares / (n_t + n_c))
        return {
            "mean_difference": difference,
            "standardised_mean_difference": standardised,
            "log_ratio_of_means": np.log(of["mean_t"] / of["mean_c"]),
        }
    a, c = of["events_t"], of["events_c"]
    if "person_time" in needs:
        return {"log_rate_ratio": np.log(a / of["person_time_t"] * of["person_time_c"] / c)}
    n, m = of["n_t"], of["n_c"]
    return {
        "log_risk_ratio": np.log(a / n * m / c),
        "log_odds_ratio": np.log(a / (n - a) * (m - c) / c),
        "risk_difference": a / n - c / m,
    }


def _turned(
    effect: NDArray[np.float64], given: Mapping[str, NDArray[np.float64]], heading: str, known: str
) -> str:
    """Say where effects of a known measure are those of their groups the other way round."""
    if known not in given or _close(effect, given[known], known):
        return ""
    if not _close(-effect, given[known], known):
        return ""
    return (
        f"{heading!r} is that of the groups beside it turned round, of the control group against the other "
        "or of those without the event: check which it is, and turn it where it is not meant so"
    )


def _agreeing(
    effect: NDArray[np.float64], given: Mapping[str, NDArray[np.float64]], heading: str
) -> tuple[str, str]:
    """Name the one measure that all rows agree with."""
    found = [measure for measure, value in given.items() if _close(effect, value, measure)]
    turned = [measure for measure, value in given.items() if _close(-effect, value, measure)]
    if len(found) == 1 and not turned:
        return found[0], f"{heading!r} is taken as {found[0]}: the groups beside it give the same"
    if len(turned) == 1 and not found:
        return "", (
            f"{heading!r} is {turned[0]} of the groups beside it with its sign turned, of the control group "
            "against the other; turn it, or say --measure if it is meant so"
        )
    return "", (
        f"the measure of {heading!r} is not known, and the groups beside it do not tell it; say --measure"
    )


def _close(one: NDArray[np.float64], two: NDArray[np.float64], measure: str) -> bool:
    # Hedges' correction is made or not: both are standardised mean differences.
    loose = 0.1 if measure.startswith("standardised") else 0.002
    return bool(np.all(np.abs(one - two) <= _DIGITS + loose * np.abs(two)))
