"""Programmes as sums of components: an arm is a set of them, an effect the difference of two arms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Finding, SpecError, shown
from bayesrtw.evidence.coding import NOTHING
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.component_rows import (
    UNCLEAN,
    alike_arms,
    everywhere,
    fault,
    idle_words,
    no_doses,
    no_names,
    rows_where,
    spelt_alike,
    unclean,
    untold,
)
from bayesrtw.model.contract import Prior, normal, single
from bayesrtw.model.levels import cell_text
from bayesrtw.model.moderator import has_column
from bayesrtw.model.open_arms import OPEN, Doses, MissingParts, OpenArms, allocated_parts
from bayesrtw.model.open_parts import OpenParts
from bayesrtw.model.prior import Normal
from bayesrtw.model.term import Contribution, Facts, Fixed, Hyper, Moderator
from bayesrtw.registry import component, suggestion

Array = NDArray[np.float64]

#: What stands between the components of a cell.
PLUS = "+"
#: What stands between two components whose effect together may differ from the sum.
PAIR = " x "
#: In place of pairs: every pair that some arm has together.
EVERY = "all"


@component("term", "components")
@dataclass(frozen=True, slots=True)
class Components:
    """Effects of the parts of programmes, which add up.

    ``theta = sum_c (x_c - z_c) gamma_c + sum_{c<d} (x_c x_d - z_c z_d) delta_cd``, where `x` says what the
    arm has and `z` what its comparator has [1]_. With one component an arm it is network meta-analysis;
    with one comparator without components, a regression on parts. `mu` is the mean of the effects that
    these parts expect of the studies, each study once. Usual care has its own components unless it is
    declared to be none (unanchored coding) [2]_.

    Parameters
    ----------
    prior
        `Normal` or `Flat`, of each component's effect, analysis scale.
    arm
        Text column whose cells hold the components of the arm, ``"coordination + workplace meeting"``; or
        empty with `columns`.
    against
        The same of the comparator; empty where comparators have none, or rows are single arms. Of rows
        that are single arms among others its cells are empty.
    columns
        Numeric columns, one a component: 0, 1 or a dose. Components are called by them.
    against_columns
        The same of the comparator, in the same order; empty as `against`.
    none
        Components, or whole cells, that are declared to be none, e.g. ``["usual care"]``.
    interactions
        Pairs ``"a + b"`` whose effect together may differ from the sum, or ``["all"]`` for every pair that
        some arm has.
    interaction_prior
        `Normal` or `Flat`, of each of these; None for a normal with mean 0 and half the SD of `prior`.
    name
        What components are called in results, ``<name>[CBT]``.
    missing
        What is assumed of components that arms may have and nobody says, with `arm` alone. Coded data sets
        say which these are in columns of their own, ``parts_t_unclear`` beside ``parts_t``; they are read
        unless others are given, and None takes them for missing at random.

    Raises
    ------
    SpecError
        If it is not said where components are read, pairs are no pairs, or a prior is another one.

    References
    ----------
    .. [1] Welton NJ, Caldwell DM, Adamopoulos E, Vedhara K (2009). Am J Epidemiol 169:1158-1165.
       doi:10.1093/aje/kwp014
    .. [2] Wigle A, Beliveau A (2022). Stat Med 41:5119-5137. doi:10.1002/sim.9520

    Examples
    --------
    >>> from bayesrtw.model.prior import Normal
    >>> Components(Normal(0, 0.25), arm="parts", against="usual_parts").facts.mean
    True
    """

    prior: Prior
    arm: str = ""
    against: str = ""
    columns: tuple[str, ...] = ()
    against_columns: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    interactions: tuple[str, ...] = ()
    interaction_prior: Prior | None = None
    name: str = "component"
    missing: MissingParts | None = None

    def __post_init__(self) -> None:
        if self.missing is not None and not self.arm:
            raise SpecError(
                "missing parts are columns of text beside arm; columns of doses hold a number in every row."
            )
        if bool(self.arm) == bool(self.columns):
            raise SpecError(
                "components are read from cells (arm) or from columns of their own (columns); give one "
                "of the two."
            )
        if self.columns and (self.against or self.none):
            raise SpecError("columns go with against_columns; 0 says that there is none of it.")
        if self.arm and self.against_columns:
            raise SpecError("against_columns goes with columns; give against, a column of cells.")
        if self.against_columns and len(self.against_columns) != len(self.columns):
            raise SpecError(
                f"columns has {len(self.columns)} components and against_columns "
                f"{len(self.against_columns)}; give both in the same order."
            )
        for prior in (self.prior, self._of_pairs):
            if prior is not None and single(prior) is None:
                raise SpecError(
                    f"{self.name}: needs normal or flat priors; found {type(prior).__name__}."
                )
        for pair in self.interactions:
            if pair != EVERY and len(split(pair)) != 2:
                raise SpecError(f"interactions names {pair!r}; give a pair 'a + b', or 'all'.")
        if self.interactions and self._of_pairs is None:
            raise SpecError("beside a flat prior the interactions need interaction_prior.")

    @property
    def _of_pairs(self) -> Prior | None:
        """The prior of an interaction; None where nothing gives one."""
        if self.interaction_prior is not None:
            return self.interaction_prior
        own = normal(self.prior)
        return None if own is None else Normal(0.0, 0.5 * own[1])

    @property
    def facts(self) -> Facts:
        read = [self.arm, self.against] if self.arm else [*self.columns, *self.against_columns]
        own = tuple(
            Moderator(f"{self.name}: {column}" if place else self.name, column, "sets")
            for place, column in enumerate(read)
            if column
        )
        if not self.interactions:
            return Facts(mean=True, moderators=own, arms=self)
        sums = replace(self, interactions=(), interaction_prior=None)
        beyond = f"pairs of {self.name}"
        return Facts(mean=True, moderators=own, beyond=beyond, simpler=sums, arms=self)

    def hyper(self) -> Mapping[str, Hyper]:
        return {}

    def faults(self, evidence: Evidence) -> list[str]:
        read = [self.arm, self.against] if self.arm else [*self.columns, *self.against_columns]
        if self.missing is not None:
            read += [self.missing.arm, self.missing.against]
        found = [fault for column in read if column for fault in has_column(evidence, column)]
        if found:
            return found
        if self.columns:
            found = no_doses(evidence, read)
        else:
            for column in filter(None, (self.arm, self.against)):
                cells = _cells(evidence, column)
                found += unclean(evidence, column, cells, PLUS)
                told = np.array([cell in self.none or bool(split(cell)) for cell in cells])
                if column == self.against:
                    told |= evidence.single_arms
                names = rows_where(evidence, (~told).tolist())
                if names:
                    left = [cell for cell, is_told in zip(cells, told, strict=True) if not is_told]
                    what = "names nothing" if any(left) else "is empty"
                    found.append(
                        f"{evidence.where}: {column!r} {what} in rows {shown(names)}; name their "
                        "components, or write a word that `none` declares to be none."
                    )
        if found:
            return found
        arms, others = self.arms(evidence)
        # What stands open may be what differs.
        open_ = [bool(each) for each in self._open(evidence)]
        found += alike_arms(evidence, arms, others, open_)
        if not self._assumed.absent:
            found += no_names(evidence, self._open_columns(evidence))
        known = self.names(evidence)
        if not known:
            found.append(f"{evidence.where}: no arm has a component; name some in {read[0]!r}.")
        for pair in self.interactions:
            for part in [] if pair == EVERY else split(pair):
                if part not in known:
                    found.append(f"interactions names {part!r}; {suggestion(part, known)}")
        for part in self._assumed.delta:
            if part not in known:
                found.append(f"delta of missing names {part!r}; {suggestion(part, known)}")
        wide = [len(each) > OPEN for each in self._open(evidence)]
        if any(wide):
            found.append(
                f"{evidence.where}: more than {OPEN} parts stand open in rows "
                f"{shown(rows_where(evidence, wide))}, each of which they may have or not; leave these rows "
                "out, or state `missing = { absent = true }`, which takes what is open for absent."
            )
        return found

    def findings(self, evidence: Evidence) -> list[Finding]:
        own, other = self.arms(evidence)
        missing, may = self.unreported(evidence), self.open(evidence)
        every_way = self._columns(evidence)[:, None] if missing is None else missing.alternatives
        every_arm = {frozenset(arm.items()) for arm in (*own, *other)}
        had = np.any([self.row(dict(arm), evidence) != 0 for arm in every_arm], axis=0)
        found = untold(evidence, every_way, self._labels(evidence), had)
        cells = [
            cell for side in (self.arm, self.against) if side for cell in _cells(evidence, side)
        ]
        found += idle_words(self.none, cells, PLUS)
        found += everywhere(evidence, (own, other), may, self.names(evidence))
        found += spelt_alike(self.names(evidence))
        every = _open_in(self, evidence)
        if any(every):
            found.append(self._assumed.finding(every, alike=self._alike(evidence)))
        return found

    def arms(self, evidence: Evidence) -> tuple[list[Doses], list[Doses]]:
        """Give the components of both sides of every row, with their doses."""
        return _arms_of(self, evidence)

    def open(self, evidence: Evidence) -> tuple[list[Doses], list[Doses]]:
        """Give what both sides of every row may have and nobody tells."""
        return _said_open(self, evidence)

    def _open_columns(self, evidence: Evidence) -> list[str]:
        """Name the columns with what is open, of those that there are."""
        found = [
            self._assumed.column(side, parts, evidence)
            for side, parts in enumerate((self.arm, self.against))
        ]
        return [column for column in found if column]

    def called(self, evidence: Evidence) -> Mapping[frozenset[tuple[str, float]], str]:
        """Name every arm that occurs by its components; one without any by the words that say so."""
        own, other = self.arms(evidence)
        both = ~evidence.single_arms
        found: dict[frozenset[tuple[str, float]], str] = {}
        bare: dict[str, None] = {}
        cells = [
            _cells(evidence, name) if name else [""] * evidence.size
            for name in (self.against, self.arm)
        ]
        for row in range(evidence.size):
            for side, arm in enumerate((other[row], own[row])):
                if side == 0 and not both[row]:
                    continue
                if not arm:
                    bare |= dict.fromkeys(filter(None, [cells[side][row]]))
                name = f" {PLUS} ".join(
                    part if dose == 1.0 else f"{part} {dose:g}" for part, dose in arm.items()
                )
                found.setdefault(frozenset(arm.items()), name)
        if frozenset() in found:
            found[frozenset()] = " / ".join(bare) or evidence.provenance.comparison
        return found

    def _parsed(self, cell: str) -> Doses:
        """Give the components of a cell."""
        if cell in self.none:
            return {}
        return {part: 1.0 for part in split(cell) if part not in self.none}

    def _dosed(self, evidence: Evidence, columns: Sequence[str]) -> list[Doses]:
        """Give the components of every row from columns of doses."""
        if not columns:
            return [{} for _ in range(evidence.size)]
        doses = np.stack([evidence.data[column].to_numpy().astype(float) for column in columns])
        return [
            {name: float(dose) for name, dose in zip(self.columns, row, strict=True) if dose}
            for row in doses.T
        ]

    def names(self, evidence: Evidence) -> tuple[str, ...]:
        """Give the components that occur, in alphabetical order; those of `columns` as they stand."""
        return self.columns or _names_of(self, evidence)

    def pairs(self, evidence: Evidence) -> tuple[tuple[str, str], ...]:
        """Give the pairs whose interaction is a coefficient."""
        return _pairs_of(self, evidence)

    def _labels(self, evidence: Evidence) -> tuple[str, ...]:
        pairs = (f"{a}{PAIR}{b}" for a, b in self.pairs(evidence))
        return tuple(f"{self.name}[{each}]" for each in (*self.names(evidence), *pairs))

    def row(self, doses: Doses, evidence: Evidence) -> Array:
        """Give what an arm adds up, shape (column,)."""
        single_ = [doses.get(name, 0.0) for name in self.names(evidence)]
        return np.array(
            single_ + [doses.get(a, 0.0) * doses.get(b, 0.0) for a, b in self.pairs(evidence)]
        )

    @property
    def _assumed(self) -> MissingParts:
        """What is assumed of parts that stand open."""
        return self.missing or MissingParts()

    def _open(self, evidence: Evidence) -> list[list[tuple[str, int]]]:
        """Give what each row may have: parts of its arm, 0, or of its comparator, 1."""
        every = _open_in(self, evidence)
        return [[] for _ in every] if self._assumed.absent else every

    def _alike(self, evidence: Evidence) -> list[str]:
        """Name parts that are open in all arms beside others with which they may make a pair of one alone."""
        said, sides, open_ = self.open(evidence), self.arms(evidence), self._open(evidence)
        alone, found = evidence.single_arms.tolist(), set()
        for row, own in enumerate(said[0]):
            differs = set(sides[0][row]) ^ set(sides[1][row])
            for a, b in self.pairs(evidence):
                for part, partner in ((a, b), (b, a)):
                    all_ = part in own and (alone[row] or part in said[1][row])
                    if all_ and (part, 0) not in open_[row] and partner in differs:
                        found.add(part)
        return sorted(found)

    def unreported(self, evidence: Evidence) -> OpenParts | None:
        """Give what is assumed of parts that stand open; None where none does."""
        every = self._open(evidence)
        if not any(every):
            return None
        studies, columns = evidence.data["study"].to_numpy().astype(str), self._columns(evidence)
        sides, said = self.arms(evidence), _said_open(self, evidence)
        arms = OpenArms(sides, said, every, studies, evidence.single_arms)
        return arms.combined(
            self.name, self._assumed, columns, lambda doses: self.row(doses, evidence)
        )

    def _columns(self, evidence: Evidence) -> Array:
        names, pairs = self.names(evidence), self.pairs(evidence)

        def side(arms: Sequence[Doses]) -> Array:
            x = np.array([[each.get(name, 0.0) for name in names] for each in arms])
            place = {name: number for number, name in enumerate(names)}
            both = [x[:, place[a]] * x[:, place[b]] for a, b in pairs]
            return np.column_stack([x, *both])

        arms, others = self.arms(evidence)
        return np.asarray(side(arms) - side(others))

    def _pooled(self, columns: Array, evidence: Evidence) -> Array:
        """Mean row of the studies, each once; rows without any component are no effects."""
        own = np.any(columns != 0, axis=1)
        _, place = np.unique(
            evidence.data["study"].to_numpy().astype(str)[own], return_inverse=True
        )
        weight = (1.0 / np.bincount(place))[place]
        return np.asarray(weight @ columns[own] / weight.sum())

    def _moments(self, evidence: Evidence) -> tuple[Array, Array]:
        """Mean and precision of every coefficient."""
        many = (len(self.names(evidence)), len(self.pairs(evidence)))
        own = [single(self.prior), single(self._of_pairs) if self._of_pairs is not None else None]
        told = [each or (0.0, 1.0) for each in own]
        mean = np.repeat([each[0] for each in told], many)
        return mean, np.repeat([each[1] ** -2.0 for each in told], many)

    def gaussian(self, evidence: Evidence) -> Fixed:
        unreported = self.unreported(evidence)
        columns = self._columns(evidence) if unreported is None else unreported.expected()
        mean, precision = self._moments(evidence)
        pooled = self._pooled(columns, evidence)
        return Fixed(
            columns=columns,
            mean=mean,
            precision=precision,
            labels=self._labels(evidence),
            combine=np.eye(columns.shape[1]),
            pooled=pooled,
            setting=lambda values: self._setting(values, pooled, evidence),
            unreported=unreported,
        )

    def _setting(self, values: Mapping[str, object], pooled: Array, evidence: Evidence) -> Array:
        """Give the row of one set of components against another; the studies' mean where none is named."""
        if self.columns:
            read = (self.columns, self.against_columns)
            sides: list[Doses] = [_doses(values, own, self.columns) for own in read]
            if not any(name in values for own in read for name in own):
                return pooled
        else:
            if self.arm not in values and (not self.against or self.against not in values):
                return pooled
            cells = [cell_text(values.get(name, "")) for name in (self.arm, self.against)]
            for side, cell in zip((self.arm, self.against), cells, strict=True):
                if what := fault(cell, PLUS):
                    raise SpecError(f"{side} {cell!r} {what}; {UNCLEAN[what]}.")
            sides = [self._parsed(cell) for cell in cells]
        known = self.names(evidence)
        for name in [name for side in sides for name in side]:
            if name not in known:
                raise SpecError(f"{self.arm} names {name!r}; {suggestion(name, known)}")
        return self.row(sides[0], evidence) - self.row(sides[1], evidence)

    def pymc(self, evidence: Evidence) -> Contribution:
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        columns, many = self.gaussian(evidence).columns, len(self.names(evidence))
        groups = [(f"beta_{self.name}", self.prior, many)]
        if self._of_pairs is not None:
            groups.append((f"beta_{self.name}_pairs", self._of_pairs, columns.shape[1] - many))
        effects = []
        for called, prior, count in groups:
            mean, sd = single(prior) or (0.0, 1.0)
            if count:
                flat = np.isinf(sd)
                effects.append(
                    pm.Flat(called, shape=count)
                    if flat
                    else pm.Normal(called, mean, sd, shape=count)
                )
        every = pt.concatenate(effects)
        pm.Deterministic(
            "mu", pt.dot(pm.Data(f"{self.name}_mean", self._pooled(columns, evidence)), every)
        )
        rows = pm.Data(f"{self.name}_rows", columns) @ every
        missing = self.unreported(evidence)
        if missing is None:
            return Contribution(rows, every)
        shift = pt.dot(missing.alternatives[missing.silent], every)
        told = pt.where(missing.index >= 0, rows, 0.0)
        return Contribution(told, every, allocation=allocated_parts(missing, shift))


# The same rows are asked again and again: for a design, for checks of it, for every setting.
@lru_cache(maxsize=16)
def _arms_of(term: Components, evidence: Evidence) -> tuple[list[Doses], list[Doses]]:
    """Read the components of both sides of every row."""
    if term.arm:
        sides = [_cells(evidence, column) if column else [""] * evidence.size for column in
                 (term.arm, term.against)]  # fmt: skip
        own, other = ([term._parsed(cell) for cell in side] for side in sides)
        return own, other
    return term._dosed(evidence, term.columns), term._dosed(evidence, term.against_columns)


@lru_cache(maxsize=16)
def _names_of(term: Components, evidence: Evidence) -> tuple[str, ...]:
    """Read the components that occur."""
    arms, others = _arms_of(term, evidence)
    open_ = {part for row in term._open(evidence) for part, _ in row}
    return tuple(sorted({name for each in (*arms, *others) for name in each} | open_))


@lru_cache(maxsize=16)
def _said_open(term: Components, evidence: Evidence) -> tuple[list[Doses], list[Doses]]:
    """Read what both arms of every row may have, whatever the other arm has."""
    found = []
    for side, parts in enumerate((term.arm, term.against)):
        column = term._assumed.column(side, parts, evidence)
        cells = _cells(evidence, column) if column else [""] * evidence.size
        found.append([term._parsed("" if cell == NOTHING else cell) for cell in cells])
    return found[0], found[1]


@lru_cache(maxsize=16)
def _open_in(term: Components, evidence: Evidence) -> list[list[tuple[str, int]]]:
    """Read what is open in one arm of a row alone, or in some of the single arms of a study."""
    sides, said = _arms_of(term, evidence), _said_open(term, evidence)
    studies, alone = evidence.data["study"].to_numpy().astype(str), evidence.single_arms
    together: dict[str, set[str]] = {}
    for row in np.flatnonzero(alone).tolist():
        own = set(said[0][row]) - set(sides[0][row])
        together[studies[row]] = together.get(studies[row], own) & own
    return [
        [
            (part, side)
            for side in ((0,) if alone[row] else (0, 1))
            for part in said[side][row]
            if part not in sides[side][row]
            and part not in (together[studies[row]] if alone[row] else said[1 - side][row])
        ]
        for row in range(evidence.size)
    ]


@lru_cache(maxsize=16)
def _pairs_of(term: Components, evidence: Evidence) -> tuple[tuple[str, str], ...]:
    """Read the pairs whose interaction is a coefficient."""
    known = term.names(evidence)
    asked = {tuple(sorted(split(pair))) for pair in term.interactions if pair != EVERY}
    if EVERY in term.interactions:
        open_ = term._open(evidence)
        for side, arms in enumerate(_arms_of(term, evidence)):
            for told, may in zip(arms, open_, strict=True):
                every = {*told, *(part for part, of in may if of == side)}
                asked |= {tuple(sorted(pair)) for pair in combinations(every, 2)}
    return tuple((a, b) for a, b in combinations(sorted(known), 2) if (a, b) in asked)


def split(cell: str) -> list[str]:
    """Give the components that a cell names, each once, in order."""
    return list(dict.fromkeys(part for part in (each.strip() for each in cell.split(PLUS)) if part))


def _cells(evidence: Evidence, column: str) -> list[str]:
    return [cell_text(value).strip() for value in evidence.data[column].to_numpy()]


def _doses(
    values: Mapping[str, object], columns: Sequence[str], names: Sequence[str]
) -> dict[str, float]:
    """Read doses that are asked for; what is not named is 0."""
    found = {}
    for column, name in zip(columns, names, strict=False):
        dose = values.get(column, 0.0)
        if not isinstance(dose, int | float | np.number) or not np.isfinite(float(dose)):
            raise SpecError(f"{column} is {dose!r}; give 0, 1 or a dose.")
        if float(dose):
            found[name] = float(dose)
    return found
