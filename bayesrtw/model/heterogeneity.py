"""Random terms: how true effects differ between estimates."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Finding, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.prior import Prior
from bayesrtw.model.term import Contribution, Grouped
from bayesrtw.registry import component


@component("term", "exchangeable")
@dataclass(frozen=True, slots=True)
class Exchangeable:
    """Effects that differ between estimates, N(0, tau^2) around their mean.

    Parameters
    ----------
    tau
        Prior of the heterogeneity SD, on the analysis scale; support [0, inf).
    """

    tau: Prior

    def __post_init__(self) -> None:
        if not self.tau.positive:
            raise SpecError(
                f"tau is a standard deviation and needs a prior on [0, inf); found "
                f"{type(self.tau).__name__}."
            )

    def faults(self, evidence: Evidence) -> list[str]:  # noqa: ARG002
        """See `Term`."""
        return []

    def findings(self, evidence: Evidence) -> list[Finding]:
        """See `Term`."""
        return dependence(evidence)

    def hyper(self) -> Mapping[str, Prior]:
        """See `Term`."""
        return {"tau": self.tau}

    def gaussian(self, evidence: Evidence) -> Grouped:
        """See `Term`."""
        group = np.arange(evidence.size, dtype=np.intp)
        return Grouped(group, ("tau",), np.zeros(evidence.size, dtype=np.intp))

    def pymc(self, evidence: Evidence) -> Contribution:
        """See `Term`."""
        import pymc as pm  # noqa: PLC0415

        tau = self.tau.pymc("tau")
        return Contribution(tau * pm.Normal("z", 0.0, 1.0, shape=evidence.size), None)


@component("term", "common")
@dataclass(frozen=True, slots=True)
class Common:
    """One common effect: no heterogeneity at all, tau = 0."""

    def faults(self, evidence: Evidence) -> list[str]:  # noqa: ARG002
        """See `Term`."""
        return []

    def findings(self, evidence: Evidence) -> list[Finding]:  # noqa: ARG002
        """See `Term`."""
        text = (
            "A common effect is assumed: all studies estimate one number, and differences between "
            "them are chance alone."
        )
        return [Finding("common-effect", "note", text)]

    def hyper(self) -> Mapping[str, Prior]:
        """See `Term`."""
        return {}

    def gaussian(self, evidence: Evidence) -> Grouped:
        """See `Term`."""
        group: NDArray[np.intp] = np.arange(evidence.size, dtype=np.intp)
        return Grouped(group, (), np.zeros(evidence.size, dtype=np.intp))

    def pymc(self, evidence: Evidence) -> Contribution:
        """See `Term`."""
        import pytensor.tensor as pt  # noqa: PLC0415

        return Contribution(pt.zeros(evidence.size), None)


def dependence(evidence: Evidence) -> list[Finding]:
    """Name estimates that are not independent, which a single variance does not know.

    Parameters
    ----------
    evidence
        The rows to pool.

    Returns
    -------
    list of Finding
        Studies with several estimates, families of trials that share people or team, and groups
        that several estimates share.
    """
    study = evidence.data["study"].to_numpy().astype(str)
    found = []
    several = _repeated(study, study)
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
        if column not in evidence.data:
            continue
        key = evidence.data[column].to_numpy().astype(str)
        shared = _repeated(
            key, study if column == "trial_family" else np.arange(len(key)).astype(str)
        )
        if shared:
            text = f"{what}: {', '.join(shared)}. They are treated as independent."
            found.append(Finding(check, "warning", text))
    return found


def _repeated(key: NDArray[np.str_], member: NDArray[np.str_]) -> list[str]:
    """Keys that several rows have; with a member column other than the key, several members."""
    found = []
    for name in sorted(set(key) - {"", "nan"}):
        rows = key == name
        count = int(rows.sum()) if key is member else len(set(member[rows]))
        if count > 1:
            found.append(f"{name} ({count})")
    return found
