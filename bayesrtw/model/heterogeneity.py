"""Random terms: how true effects differ between estimates."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Finding, SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import Prior
from bayesrtw.model.grouped import Grouped, Varying
from bayesrtw.model.levels import cell_text
from bayesrtw.model.moderator import has_column
from bayesrtw.model.term import Contribution, Facts, Group, Hyper
from bayesrtw.registry import component


@component("term", "exchangeable")
@dataclass(frozen=True, slots=True)
class Exchangeable:
    """Effects that differ between groups of estimates, N(0, tau^2) around their mean.

    Without `by` every estimate has an effect of its own. With it, estimates that share a value of
    that column share an effect; two terms, one by study and one without, are the three-level model.

    Parameters
    ----------
    tau
        Prior of the heterogeneity SD, on the analysis scale; support [0, inf).
    by
        Column whose equal values share an effect, e.g. ``study``; empty cells stand alone.
    name
        What the SD is called in results; different for every term.
    """

    tau: Prior
    by: str = ""
    name: str = "tau"

    def __post_init__(self) -> None:
        _spread_prior(self.tau)
        if not self.name.isidentifier():
            raise SpecError(f"name is {self.name!r}; use letters, digits and underscores.")

    @property
    def facts(self) -> Facts:
        return Facts(spread=True)

    def faults(self, evidence: Evidence) -> list[str]:
        return has_column(evidence, self.by) if self.by else []

    def findings(self, evidence: Evidence) -> list[Finding]:
        if not self.by:
            return []
        group = group_numbers(evidence, self.by)
        if len(set(group.tolist())) < len(group):
            return []
        text = (
            f"No two estimates share a value of {self.by!r}: {self.name} adds to the other "
            "heterogeneity and cannot be told from it."
        )
        return [Finding("constant-moderator", "warning", text)]

    def hyper(self) -> Mapping[str, Hyper]:
        return {self.name: Hyper(self.tau, "sd of effects", self.by, setting="tau")}

    def gaussian(self, evidence: Evidence) -> Grouped:
        return Grouped(
            group_numbers(evidence, self.by), (self.name,), np.zeros(evidence.size, dtype=np.intp)
        )

    def pymc(self, evidence: Evidence) -> Contribution:
        import pytensor.tensor as pt  # noqa: PLC0415

        zero = pt.zeros(evidence.size)
        group = group_numbers(evidence, self.by)
        varying = Varying(self.name, zero + self.tau.pymc(self.name), group)
        return Contribution(zero, None, varying=(varying,))


@component("term", "by_group")
@dataclass(frozen=True, slots=True)
class ByGroup:
    """Heterogeneity with an SD of its own in each group of studies, e.g. in each design.

    Parameters
    ----------
    column
        A text column of the evidence, without empty cells.
    groups
        Which values share an SD; every value that occurs must belong to one. The SDs are called
        ``tau_<name of the group>``, and a new setting uses that of the first group.
    tau
        Prior of each SD, on the analysis scale; support [0, inf).
    """

    column: str
    groups: tuple[Group, ...]
    tau: Prior

    def __post_init__(self) -> None:
        _spread_prior(self.tau)
        if len(self.groups) < 2:
            raise SpecError("groups needs at least two groups; with one, use exchangeable.")
        for what in ([g.name for g in self.groups], [m for g in self.groups for m in g.members]):
            twice = sorted({name for name in what if what.count(name) > 1})
            if twice:
                raise SpecError(f"{shown(twice)} stands in two groups; choose one.")
        bad = [group.name for group in self.groups if not group.name.isidentifier()]
        if bad:
            raise SpecError(f"groups are called {shown(bad)}; use letters, digits and underscores.")

    @property
    def facts(self) -> Facts:
        return Facts(spread=True)

    def faults(self, evidence: Evidence) -> list[str]:
        missing = has_column(evidence, self.column)
        if missing:
            return missing
        known = {member for group in self.groups for member in group.members}
        loose = sorted(
            {cell_text(value) for value in evidence.data[self.column].to_numpy()} - known
        )
        if loose:
            return [
                f"{evidence.where}: {shown(loose)} of {self.column!r} belong to no group; add them to "
                "one, or leave these rows out."
            ]
        return []

    def findings(self, evidence: Evidence) -> list[Finding]:
        counts = np.bincount(self._which(evidence), minlength=len(self.groups))
        few = [
            f"tau_{group.name} ({count})"
            for group, count in zip(self.groups, counts, strict=True)
            if count < 3
        ]
        if not few:
            return []
        text = f"Heterogeneity SDs with fewer than 3 estimates: {', '.join(few)}. They are the prior's."
        return [Finding("small-level", "warning", text)]

    def hyper(self) -> Mapping[str, Hyper]:
        return {
            f"tau_{group.name}": Hyper(
                self.tau, "sd of effects", among=group.name, setting="tau", new=place == 0
            )
            for place, group in enumerate(self.groups)
        }

    def _which(self, evidence: Evidence) -> NDArray[np.intp]:
        place = {
            member: number for number, group in enumerate(self.groups) for member in group.members
        }
        values = evidence.data[self.column].to_numpy()
        return np.array([place[cell_text(value)] for value in values], dtype=np.intp)

    def gaussian(self, evidence: Evidence) -> Grouped:
        group = np.arange(evidence.size, dtype=np.intp)
        return Grouped(group, tuple(self.hyper()), self._which(evidence))

    def pymc(self, evidence: Evidence) -> Contribution:
        import pytensor.tensor as pt  # noqa: PLC0415

        taus = pt.stack([each.prior.pymc(name) for name, each in self.hyper().items()])
        group = np.arange(evidence.size, dtype=np.intp)
        varying = Varying("tau_group", taus[self._which(evidence)], group)
        return Contribution(pt.zeros(evidence.size), None, varying=(varying,))


@component("term", "common")
@dataclass(frozen=True, slots=True)
class Common:
    """One common effect: no heterogeneity at all, tau = 0."""

    @property
    def facts(self) -> Facts:
        return Facts(spread=True)

    def faults(self, evidence: Evidence) -> list[str]:  # noqa: ARG002
        return []

    def findings(self, evidence: Evidence) -> list[Finding]:  # noqa: ARG002
        text = (
            "A common effect is assumed: all studies estimate one number, and differences between "
            "them are chance alone."
        )
        return [Finding("common-effect", "note", text)]

    def hyper(self) -> Mapping[str, Hyper]:
        return {}

    def gaussian(self, evidence: Evidence) -> Grouped:
        group: NDArray[np.intp] = np.arange(evidence.size, dtype=np.intp)
        return Grouped(group, (), np.zeros(evidence.size, dtype=np.intp))

    def pymc(self, evidence: Evidence) -> Contribution:
        import pytensor.tensor as pt  # noqa: PLC0415

        return Contribution(pt.zeros(evidence.size), None)


def _spread_prior(prior: Prior) -> None:
    if not prior.positive:
        raise SpecError(
            f"tau is a standard deviation and needs a prior on [0, inf); found "
            f"{type(prior).__name__}."
        )


def group_numbers(evidence: Evidence, by: str) -> NDArray[np.intp]:
    """Give each row the number of its group; without a column, or in an empty cell, it is alone.

    gives (estimate,).
    """
    if not by:
        return np.arange(evidence.size, dtype=np.intp)
    numbers: dict[object, int] = {}
    found = []
    for row, value in enumerate(evidence.data[by].to_numpy()):
        key: object = str(value) if str(value) not in ("", "nan") else row
        found.append(numbers.setdefault(key, len(numbers)))
    return np.array(found, dtype=np.intp)


def dependence(evidence: Evidence, by: tuple[str, ...] = ()) -> list[Finding]:
    """Name estimates that are not independent, which a single variance does not know."""
    study = evidence.data["study"].to_numpy().astype(str)
    found = []
    covered = {"study", "trial_family"} & set(by)
    several = [] if covered else _repeated(study, study)
    if several:
        text = (
            f"Studies with several estimates: {', '.join(several)}. Each estimate counts as one, as "
            "if it came from a study of its own, so these studies weigh more than they should and "
            "the interval may be too narrow."
        )
        found.append(Finding("several-estimates", "warning", text))
    for column, what, check in (
        ("trial_family", "Families of studies that share people or a team", "family"),
        ("shared_control", "Groups that several estimates share", "shared-group"),
    ):
        if column not in evidence.data or column in by:
            continue
        key = evidence.data[column].to_numpy().astype(str)
        if column == "shared_control":
            key = np.where(_settled(evidence), "", key)
        shared = _repeated(
            key, study if column == "trial_family" else np.arange(len(key)).astype(str)
        )
        if shared:
            text = f"{what}: {', '.join(shared)}. They are treated as independent."
            found.append(Finding(check, "warning", text))
    return found


def _settled(evidence: Evidence) -> NDArray[np.bool_]:
    """Mark the rows whose shared group is in the covariance, or was split by the source."""
    done = np.zeros(evidence.size, dtype=bool)
    for block in evidence.dependence:
        done[block.rows] = True
    if "control_parts" in evidence.data:
        parts = evidence.data["control_parts"].to_numpy()
        done |= np.array([str(part) not in ("", "nan", "1.0") for part in parts])
    return done


def _repeated(key: NDArray[np.str_], member: NDArray[np.str_]) -> list[str]:
    """Keys that several rows have; with a member column other than the key, several members."""
    members: dict[str, list[str]] = {}
    for name, one in zip(key.tolist(), member.tolist(), strict=True):
        members.setdefault(name, []).append(one)
    found = []
    for name in sorted(members.keys() - {"", "nan"}):
        count = len(members[name]) if key is member else len(set(members[name]))
        if count > 1:
            found.append(f"{name} ({count})")
    return found
