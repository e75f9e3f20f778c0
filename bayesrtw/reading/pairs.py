"""Columns of two groups beside one another: which column counts what, and in which group."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bayesrtw.reading.headings import arm_of, bare, of_group, sets, tokens
from bayesrtw.reading.way import Way

#: What must be known of both groups, each line a choice of columns, to what it gives.
_COMPLETE: Final = (
    (("events", "n"), "events and people"),
    (("events", "non_events"), "events and people without"),
    (("events", "person_time"), "events and time"),
    (("mean", "sd", "n"), "means and SDs"),
    (("mean", "se_mean"), "means and their standard errors"),
    (("pct", "n"), "percentages"),
    (("median", "q1", "q3", "n"), "medians"),
    (("mean_change", "sd_change", "n"), "mean changes"),
    (("mean_baseline", "sd_baseline", "mean_final", "n"), "means before and after"),
)

#: Quantities, one of which every table of two groups is about.
_MAIN: Final = ("events", "mean", "pct", "median", "mean_change", "mean_baseline")

#: How headings say that people have something, and that they do not.
_YES: Final = frozenset({"yes", "ja", "oui", "si"})
_NOT: Final = frozenset(
    {"no", "not", "non", "nein", "nicht", "ikke", "nei", "inte", "nej", "ej", "pas"}
)

#: What describes people and is no outcome.
_TRAITS: Final = frozenset({"age", "alter", "alder", "edad", "leeftijd", "eta", "idade", "bmi"})

#: Quantity to heading, of one group.
_Group = dict[str, str]


@dataclass(frozen=True, slots=True)
class _Arm:
    """What names a group in headings: further tokens, which of both it is, and the word for it."""

    stem: tuple[str, ...]
    end: str
    word: str

    def opposite(self, other: "_Arm") -> bool:
        """Whether another group is the programme's to this comparison group: digits go with digits."""
        alike = self.word.isdigit() == other.word.isdigit()
        return self.end == "c" and other.end == "t" and other.stem == self.stem and alike


def pairs(numbers: Mapping[str, object]) -> list[Way]:
    """Find counts, rates and means of two groups."""
    arms, others, fixed = _sorted(numbers)
    for kind, roles in fixed:
        if kind == "o_minus_e":
            return [Way("observed minus expected events", roles)]
        for role, heading in roles.items():
            arm = _Arm((), role[-1], "1" if role[-1] == "t" else "2")
            arms.setdefault(arm, {})[role[:-2]] = heading
    ways = []
    for arm, control in arms.items():
        if arm.end != "c" or not _kinds(control):
            continue
        treated = [g for other, g in arms.items() if arm.opposite(other) and _both(g, control)]
        if treated and not (arm.word.isdigit() and _third(control, numbers)):
            ways += [_way(" ".join(arm.stem), group, control) for group in treated]
        elif not treated:
            rivals = {x: g for x, g in others.items() if set(arm.stem) <= set(x)}
            ways += [
                _way(f"{' '.join(x)!r} against control", g, control)
                for x, g in rivals.items()
                if _both(g, control)
            ]
    if len(ways) == 1:
        ways += _more(arms, ways[0])
    if ways:
        return ways
    complete = [(x, g) for x, g in others.items() if _kinds(g)]
    if not complete:
        return _opposed(numbers) or _more(arms, Way("", {}))
    return [
        _way(f"{' '.join(x)!r} against {' '.join(y)!r}", g, h)
        for x, g in complete
        for y, h in complete
        if x != y and _both(g, h)
    ]


def _opposed(numbers: Mapping[str, object]) -> list[Way]:
    """Find counts of people with and without something: returned and not returned, yes and no."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for heading in numbers:
        for end, stem in arm_of(heading):
            what = tuple(part for part in stem if part not in _YES | _NOT)
            role = "non_events" if _NOT & set(stem) else "events"
            found.setdefault(what, {}).setdefault(f"{role}_{end}", heading)
    return [
        Way(f"{' '.join(what) or 'events'}, and people without, of two groups", roles)
        for what, roles in found.items()
        if len(roles) == 4 and len(set(roles.values())) == 4
    ]


def _third(control: _Group, numbers: Mapping[str, object]) -> bool:
    """Whether the columns of group 2 have sisters of a group 3."""
    return any(
        heading.replace("2", "3") in numbers for heading in control.values() if "2" in heading
    )


def _sorted(
    numbers: Mapping[str, object],
) -> tuple[dict[_Arm, _Group], dict[tuple[str, ...], _Group], list[tuple[str, dict[str, str]]]]:
    """Sort headings by the group that they are of, by name or by set."""
    short = {bare(heading): heading for heading in numbers}
    fixed: list[tuple[str, dict[str, str]]] = []
    used: set[str] = set()
    for kind, members in sets():
        two = any(role.endswith(("_t", "_c")) for role in members.values()) or kind == "o_minus_e"
        if two and members.keys() <= short.keys() and not used & members.keys():
            used |= members.keys()
            fixed.append((kind, {role: short[name] for name, role in members.items()}))
    arms: dict[_Arm, _Group] = {}
    others: dict[tuple[str, ...], _Group] = {}
    for heading in numbers:
        if bare(heading) in used or _TRAITS & set(tokens(heading)):
            continue
        for quantity, end, word, stem in of_group(heading):
            if end:
                _put(arms.setdefault(_Arm(stem, end, word), {}), quantity, heading)
            else:
                _put(others.setdefault(stem, {}), quantity, heading)
    for arm in list(arms):
        # A letter beside other words is a group only where the other group is: hepatitis C is none.
        letter = len(arm.word) == 1 and arm.word.isalpha() and arm.stem
        if letter and not any(arm.opposite(x) or x.opposite(arm) for x in arms):
            others.setdefault((*arm.stem, arm.word), {}).update(arms.pop(arm))
    return arms, others, fixed


def _put(group: _Group, quantity: str, heading: str) -> None:
    """Add a column to a group; of ``n`` and ``N`` side by side the former counts events, as papers write."""
    first = group.setdefault(quantity, heading)
    if quantity == "n" and first != heading and first.casefold() == heading.casefold():
        group["n"], events = sorted((first, heading))
        group.setdefault("events", events)


def _kinds(group: _Group) -> list[tuple[tuple[str, ...], str]]:
    return [each for each in _COMPLETE if all(quantity in group for quantity in each[0])]


def _both(one: _Group, two: _Group) -> bool:
    return any(kind in _kinds(two) for kind in _kinds(one))


def _way(stem: str, treated: _Group, control: _Group) -> Way:
    both = [q for q in treated if q in control]
    kinds = [kind for kind in _kinds(treated) if kind in _kinds(control)]
    if any("n" in needs for needs, _ in kinds):
        kinds = [kind for kind in kinds if "non_events" not in kind[0]]
    needed = {q for needs, _ in kinds for q in needs} | ({"non_events", "sd"} & set(both))
    roles = {
        f"{q}_{end}": g[q]
        for q in both
        if q in needed
        for end, g in (("t", treated), ("c", control))
    }
    what = " and ".join(dict.fromkeys(words for _, words in kinds))
    what += " of two groups" + (f", {stem}" if stem else "")
    if {"events_t", "mean_t"} <= roles.keys():
        what += ", counts where a row holds both"
    return Way(what, roles)


def _shared(group: _Group) -> _Group:
    """Give what outcomes without it may take from a group: its people, and its SD if that has no mean."""
    lent = ("n",) if set(_MAIN) & group.keys() else ("n", "sd", "se_mean")
    return {quantity: heading for quantity, heading in group.items() if quantity in lent}


def _more(arms: Mapping[_Arm, _Group], found: Way) -> list[Way]:
    """Find further outcomes whose people stand in the columns of another."""
    used = set(found.roles.values())
    both = {
        (c.stem, c.word): (treated, control)
        for c, control in arms.items()
        for t, treated in arms.items()
        if c.end == "c" and c.opposite(t)
    }
    people = [
        (w, _shared(t), _shared(c)) for (_, w), (t, c) in both.items() if "n" in t and "n" in c
    ]
    ways = []
    for (stem, word), (treated, control) in both.items():
        main = [q for q in _MAIN if q in control and q in treated and control[q] not in used]
        if main and not {"n", "non_events"} & control.keys():
            ways += [
                _way(" ".join(stem), {**one, **treated}, {**two, **control})
                for named, one, two in people
                # Digits beside groups that have names count something else, such as occasions.
                if named.isdigit() or not word.isdigit()
            ]
    return [way for way in ways if way.roles]
