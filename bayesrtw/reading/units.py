"""Effects in a unit of their own: per cent, and logarithms of another base, in that of this package."""

import math
import re
from collections.abc import Mapping
from typing import Final

import numpy as np

from bayesrtw.evidence.measure import measure_called
from bayesrtw.reading.cleaned import floats
from bayesrtw.reading.headings import tokens, with_stem

#: How headings call logarithms of another base, and what makes them natural ones.
_LOGARITHMS: Final = (
    (r"log\W*(10|₁₀)|\blg\b|\bbase\W*10\b", "decimal", math.log(10)),
    (r"log\W?(2|₂)(?!\d)|\bbase\W*2\b", "binary", math.log(2)),
)

#: How headings say per cent in words.
_CALLED: Final = re.compile(r"per ?cent|pro[czs]ent", re.IGNORECASE)

#: What is said of effects that are 1 less a ratio.
_REDUCED: Final = frozenset({"reduction", "rrr", "ve", "efficacy", "effectiveness"})

#: Ratios, and differences of risks, of this size and more are in per cent under a heading that says so.
_LEAST: Final = {"ratio": 5.0, "risk_difference": 1.0}

#: Errors below one per cent of which effects in per cent are this many are taken for shares, and asked about.
_FAR: Final = 20.0

#: Columns in the unit of the effect, and how often it enters.
_POWERS: Final = {"estimate": 1, "effect": 1, "se": 1, "ci_low": 1, "ci_high": 1, "variance": 2}


def in_units(
    columns: dict[str, list[str]],
    roles: Mapping[str, str],
    words: Mapping[str, str],
    percent: Mapping[str, bool],
) -> tuple[str, list[str]]:
    """Write effects in this package's unit, in place; give what keeps one from it, and what was done."""
    heading = roles.get("estimate", roles.get("effect", ""))
    named = {*words.values(), *map(measure_called, columns.get(roles.get("measure", ""), ()))}
    own = re.split(r"\bper\b(?!\s*cent)", heading, flags=re.IGNORECASE)[0]
    logs = not any(named) or any(name.startswith("log_") for name in named)
    for pattern, name, factor in _LOGARITHMS if logs else ():
        if re.search(pattern, own, re.IGNORECASE):
            _times(columns, roles, factor)
            return "", [f"{heading!r} holds {name} logarithms, multiplied by {factor:.6f}"]
    reduced = _REDUCED & set(tokens(heading)) and not any(
        word.implies for word, _ in with_stem(heading, "effect")
    )
    if reduced and any(name.endswith("_ratio") for name in named):
        return (
            f"{heading!r} is called a reduction, not what is left: write ratios, which are 1 less the "
            "reduction (18 % is 0.82), and limits in the other order"
        ), []
    kind = next((kind for kind in _LEAST if any(name.endswith(kind) for name in named)), "")
    called = "pct" in tokens(heading) or _CALLED.search(heading)
    if not kind or not (called or heading in percent):
        return "", []
    other = [roles[r] for r in ("se", "variance") if r in roles and roles[r] not in percent]
    if not called and (other or not percent[heading]):
        return (
            f"{heading!r} has percent signs, and {repr(other[0]) if other else 'some of its cells'} without; "
            "write all of them as shares, 0.04 for 4 %, or with the sign"
        ), []
    largest = float(np.nanmax(np.abs(floats(columns[heading])), initial=0))
    if heading not in percent and largest < _LEAST[kind]:
        return (
            f"{heading!r} is called per cent, and holds {largest:g} at most; write 0.82 for 82 %, without % "
            "in the heading, or % signs in the cells"
        ), []
    if (error := roles.get("se", "")) and not (_CALLED.search(error) or "pct" in tokens(error)):
        errors, sizes = floats(columns[error]), np.abs(floats(columns[heading]))
        if 0 < (most := np.nanmax(errors, initial=0)) < 1 and np.mean(sizes > _FAR * errors) > 0.5:
            return (
                f"{heading!r} is in per cent, and errors of {most:g} at most in {error!r} look like shares; "
                "write both in one unit, 0.04 and 0.02 for 4 % with an error of 2 %"
            ), []
    ends = {end: roles[end] for end in ("ci_low", "ci_high") if end in roles}
    if heading in percent and len(ends) == 2 and not percent.keys() & set(ends.values()):
        # Limits without signs are shares where effects lie within them as shares: 4 %, 0.01 to 0.07.
        low, high = (floats(columns[end]) for end in ends.values())
        effect = floats(columns[heading]) / 100
        if np.all((low <= effect) & (effect <= high) | np.isnan(low + effect + high)):
            roles = {role: h for role, h in roles.items() if role not in ends}
    _times(columns, roles, 0.01)
    return "", [f"{heading!r} is in per cent, divided by 100"]


def _times(columns: dict[str, list[str]], roles: Mapping[str, str], factor: float) -> None:
    """Multiply effects, their errors and their limits; what is no number stays, so that it is named."""
    for role, power in _POWERS.items():
        if heading := roles.get(role, ""):
            values = floats(columns[heading]) * factor**power
            cells = zip(values.tolist(), columns[heading], strict=True)
            columns[heading] = [repr(v) if math.isfinite(v) else cell for v, cell in cells]
