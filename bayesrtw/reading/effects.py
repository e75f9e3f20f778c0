"""Columns of effects with what says how precise they are: each choice a way to read the table."""

from collections.abc import Mapping
from typing import Final

from bayesrtw.evidence.measure import MEASURES
from bayesrtw.reading.cleaned import logarithm
from bayesrtw.reading.headings import Word, meanings, of_interval, tokens, with_stem
from bayesrtw.reading.way import SPREAD, Way, alike, distinct, fitting, on_log

#: Ratios, as `reported` names them.
MEASURES_OF_RATIOS: Final = {
    name.removeprefix("log_"): name for name, measure in MEASURES.items() if name.startswith("log_")
}


def effects(
    numbers: Mapping[str, list[str]],
    columns: Mapping[str, list[str]],
    roles: Mapping[str, str],
    texts: Mapping[str, str],
) -> list[Way]:
    """Find effects with what says how precise they are; those that say the same are one."""
    spread: dict[tuple[str, ...], dict[str, str]] = {}
    levels: dict[str, str] = {}
    ends: set[str] = set()
    for heading in numbers:
        for word, stem in with_stem(heading, "spread"):
            left, level = of_interval(word, stem)
            if word.role[:3] == "ci_" and heading in ends:
                continue  # KI u is unten, and no upper limit
            ends |= {heading} if word.role[:3] == "ci_" else set()
            spread.setdefault(_adjusted(left), {}).setdefault(word.role, heading)
            levels |= {heading: level} if level else {}
    if "p_value" in texts:
        spread.setdefault((), {}).setdefault("p_value", texts["p_value"])
    sizes = [h for h in numbers if any(word.role == "n" for word in meanings(h, "whole"))]
    people = {"n": sizes[0]} if len(sizes) == 1 else {}
    stated = {role: heading for role, heading in roles.items() if role in SPREAD}
    ways: list[Way] = []
    for sole in (False, True):
        # Where no effect has a precision of its own, one that no column names is that of any.
        for heading in numbers if not ways or not sole else ():
            seen = set()
            for word, stem in with_stem(heading, "effect", "whole"):
                if stem in seen or (word.use == "whole" and (word.role != "mean" or not stem)):
                    continue
                if _error(heading, stem) or (sole and not _names_measure(word, heading, stem)):
                    continue
                seen.add(stem)
                as_effect, left = _as_effect(word, _adjusted(stem))
                of_it = spread.get(() if sole else left, {})
                if as_effect.implies.startswith("log_") and (logs := spread.get(("log", *left))):
                    # Limits that are called logarithms go with one, and others are not its own.
                    of_it = {r: h for r, h in of_it.items() if not r.startswith("ci_")} | logs
                own = {**of_it, **spread.get(_adjusted(tokens(heading)), {}), **stated}
                own = {r: h for r, h in own.items() if h != heading}
                own = fitting(own, as_effect, columns, heading)
                # Limits that stand under their own names stay: what does not lie in them is beside the ratio.
                if own and not stated.keys() & {"ci_low", "ci_high"} - own.keys():
                    words = words_of(as_effect.role, as_effect.implies)
                    level = levels.get(own.get("ci_low", ""), "")
                    words |= {"ci_level": level} if level else {}
                    of = f" of {' '.join(stem)}" if left else ""
                    all_roles = {as_effect.role: heading, **own, **({} if left else people)}
                    ways.append(Way(f"effects{of} from {heading!r}", all_roles, words))
                    break
    return distinct(ways, numbers)


def _names_measure(word: Word, heading: str, stem: tuple[str, ...]) -> bool:
    """Whether a word says which measure an effect is of, and is no mere letter."""
    return bool(word.implies) and len("".join(tokens(heading))) - len("".join(stem)) > 1


def limits_of_ratios(numbers: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Take logarithms of limits of a ratio whose logarithm alone is there: log OR beside OR 95 % CI."""
    logs = [
        _adjusted(tokens(h)) for h in numbers if any(w.implies for w, _ in with_stem(h, "effect"))
    ]
    found = {}
    for heading, cells in numbers.items():
        for word, stem in with_stem(heading, "spread"):
            if word.role in ("ci_low", "ci_high") and ("log", *of_interval(word, stem)[0]) in logs:
                found[f"log {heading}"] = [logarithm(cell) for cell in cells]
    return found


def _adjusted(stem: tuple[str, ...]) -> tuple[str, ...]:
    """Write what is adjusted, and what is a logarithm, in one way."""
    plain = {"adjusted": "adj", "ln": "log", "lg": "log"}
    return tuple(plain.get(part, part) for part in stem)


def _error(heading: str, stem: tuple[str, ...]) -> bool:
    """Whether a heading is an error or a variance of the effect that it names: SE log RR."""
    words = (*meanings(heading, "spread"), *meanings(" ".join(stem), "spread"))
    return any(word.role.removesuffix("_log") in ("se", "variance") for word in words)


def _as_effect(word: Word, left: tuple[str, ...]) -> tuple[Word, tuple[str, ...]]:
    """Take a mean for an effect, and the logarithm of a ratio for no ratio; give what is left of the stem."""
    if word.use == "whole":
        return Word("effect", "effect", "mean"), left
    own = left[: left.index("per")] if "per" in left else left  # HR per log unit is a ratio
    if word.role == "estimate" and word.implies in MEASURES_OF_RATIOS and "log" in own:
        rest = tuple(part for part in left if part not in ("log", "base", "2", "10"))
        return Word("effect", "effect", MEASURES_OF_RATIOS[word.implies]), rest
    return word, left


def other_effects(numbers: Mapping[str, list[str]], way: Way) -> list[Way]:
    """Find columns that are called effects as the one that was chosen, and hold other values."""
    if not {"effect", "estimate"} & way.roles.keys():
        return []
    mine = on_log(way, numbers)
    found = []
    for heading in numbers:
        words = [
            w for w, stem in with_stem(heading, "effect") if w.implies and not _error(heading, stem)
        ]
        ends = any(w.role in ("ci_low", "ci_high") for w, _ in with_stem(heading, "spread"))
        if heading in way.roles.values() or not words or ends:
            continue
        other = Way(
            f"effects from {heading!r}",
            {words[0].role: heading},
            words_of(words[0].role, words[0].implies),
        )
        if not alike(mine, on_log(other, numbers)):
            found.append(other)
    return found


def words_of(role: str, implies: str) -> dict[str, str]:
    """Say in every row what an effect is of."""
    if not implies:
        return {}
    return {"reported": implies} if role == "estimate" else {"measure": implies}
