"""The treatments of a network: which there are, who was compared with whom, and their differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.spec import Model
from bayesrtw.model.term import OfArms, given
from bayesrtw.registry import suggestion

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: What stands between the two arms of a comparison in words.
AGAINST = " vs "
#: A combination of the coefficients that contrasts leave this much of is not told by them.
LEFT = 1e-8


@dataclass(frozen=True, eq=False)
class Treatments:
    """Distinct arms of the rows, which may be sets of components."""

    #: model, evidence: what is pooled; one term says what arms consist of.
    model: Model
    evidence: Evidence
    #: What they are called, in the order of the rows; an arm without components comes first.
    names: tuple[str, ...]
    rows: Array  #: What each adds up of all coefficients of the effects, shape (treatment, column).
    #: arm, against: treatment of each row's arm, and of its comparator, -1 where the row is a single arm,
    #: shape (estimate,).
    arm: Index
    against: Index

    def place(self, name: str) -> int:
        """Find a treatment by its name; its components may stand in another order."""
        if name in self.names:
            return self.names.index(name)
        parts = frozenset(_parts(name))
        for place, own in enumerate(self.names):
            if frozenset(_parts(own)) == parts:
                return place
        hint = suggestion(name, list(self.names))
        raise SpecError(f"there is no treatment {name!r} in the rows; {hint}")

    def places(self, names: Sequence[str] | None) -> list[int]:
        """Find several, all unless some are named; each once, at least two."""
        if names is None:
            return list(range(len(self.names)))
        found = list(dict.fromkeys(self.place(name) for name in names))
        if len(found) < 2:
            raise SpecError(f"treatments names {shown(names)}; name at least two.")
        return found

    def pair(self, comparison: str) -> tuple[int, int]:
        """Find the two treatments of ``"a vs b"``."""
        parts = comparison.split(AGAINST)
        if len(parts) != 2:
            raise SpecError(f"found the comparison {comparison!r}; write 'one vs other'.")
        one, other = (self.place(part.strip()) for part in parts)
        if one == other:
            raise SpecError(f"both arms of {comparison!r} are the same; name two treatments.")
        return one, other

    def difference(self, one: int, other: int) -> Array:
        """Give one treatment against another as a combination of the coefficients, shape (column,)."""
        return np.asarray(self.rows[one] - self.rows[other])

    @cached_property
    def study(self) -> NDArray[np.str_]:
        """Study of each row, shape (estimate,)."""
        return np.asarray(self.evidence.data["study"].to_numpy().astype(str))

    @cached_property
    def of_studies(self) -> Mapping[str, tuple[int, ...]]:
        """Treatments of each study: its base first, the comparator of contrasts or the first arm."""
        found: dict[str, dict[int, None]] = {}
        for study, arm, against in zip(
            self.study.tolist(), self.arm.tolist(), self.against.tolist(), strict=True
        ):
            own = found.setdefault(study, {})
            own |= {} if against < 0 else {against: None}
            own[arm] = None
        return {study: tuple(own) for study, own in found.items()}

    def comparing(self, one: int, other: int) -> list[str]:
        """Name the studies that have both."""
        return [study for study, own in self.of_studies.items() if one in own and other in own]

    @cached_property
    def compared(self) -> list[tuple[int, int]]:
        """Pairs that some study has together, the later treatment first."""
        found = {
            (max(one, other), min(one, other))
            for own in self.of_studies.values()
            for one in own
            for other in own
            if one != other
        }
        return sorted(found, key=lambda pair: pair[::-1])

    def within(self, studies: Sequence[str]) -> Array:
        """Give what some studies tell: their arms against their base, shape (contrast, column)."""
        found = [
            self.difference(arm, own[0])
            for study in studies
            for own in [self.of_studies[study]]
            for arm in own[1:]
        ]
        return np.array(found).reshape(len(found), self.rows.shape[1])

    @cached_property
    def pieces(self) -> list[tuple[int, ...]]:
        """Treatments that studies connect, the largest piece first."""
        piece = list(range(len(self.names)))
        for own in self.of_studies.values():
            joined = {piece[each] for each in own}
            piece = [min(joined) if each in joined else each for each in piece]
        found: dict[int, list[int]] = {}
        for place, own_piece in enumerate(piece):
            found.setdefault(own_piece, []).append(place)
        return sorted((tuple(each) for each in found.values()), key=len, reverse=True)

    def tells(self, told: Array, wanted: Array) -> bool:
        """Say whether contrasts, (contrast, column), tell a combination of the coefficients, (column,)."""
        left = wanted
        if len(told):
            left = wanted - told.T @ np.linalg.lstsq(told.T, wanted, rcond=None)[0]
        return float(np.abs(left).max()) <= LEFT

    def said(self, pair: tuple[int, int]) -> str:
        """Put a comparison in words."""
        return AGAINST.join(self.names[each] for each in pair)


def _parts(name: str) -> list[str]:
    return [part.strip() for part in name.split("+")]


def sets_of(model: Model) -> OfArms:
    """Give the term that says what arms consist of."""
    found = [arms for term in model.terms if (arms := term.facts.arms) is not None]
    if len(found) != 1:
        raise SpecError(
            "a network needs one term that says what arms consist of; add `components` with the column of "
            "treatments as arm (and, where rows are contrasts, against)."
        )
    return found[0]


def treatments_of(model: Model, evidence: Evidence) -> Treatments:
    """Give the treatments of a network."""
    term = sets_of(model)
    named = term.called(evidence)
    order = sorted(named, key=bool)
    if len(order) < 2:
        raise SpecError(
            f"{evidence.where}: found one treatment, {shown(named.values())}; give two."
        )
    own, other = term.arms(evidence)
    place = {each: number for number, each in enumerate(order)}
    against = [
        -1 if alone else place[frozenset(each.items())]
        for alone, each in zip(evidence.single_arms.tolist(), other, strict=True)
    ]
    return Treatments(
        model,
        evidence,
        tuple(named[each] for each in order),
        np.array([_placed(model, evidence, dict(each)) for each in order]),
        np.array([place[frozenset(each.items())] for each in own], dtype=np.intp),
        np.array(against, dtype=np.intp),
    )


def _placed(model: Model, evidence: Evidence, doses: Mapping[str, float]) -> Array:
    """Place what an arm adds up among the coefficients of all terms, shape (column,)."""
    found, biases = [], 0
    for term in model.terms:
        part, arms = given(term, evidence), term.facts.arms
        if arms is not None:
            found.append(arms.row(doses, evidence))
        elif part.fixed is not None:
            found.append(np.zeros(part.fixed.columns.shape[1]))
        elif part.shared is not None:
            biases += part.shared.columns.shape[1]
        elif term.facts.mean:
            # A prior that other studies give stands in the place of an intercept.
            found.append(np.zeros(1))
    return np.concatenate([*found, np.zeros(biases)])
