"""What likelihoods of counts have in common."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Finding, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.term import Hyper


class Counted(Protocol):
    """Independent rows of events that are counted one by one, without an unknown of their own."""

    @property
    def correlation(self) -> None:
        """Rows are independent."""

    @property
    def clustering(self) -> None:
        """People and events are counted one by one."""

    @property
    def tells_without_events(self) -> bool:
        """Whether a row tells something in which nobody, or everybody, has the event."""
        return True

    def columns(self) -> tuple[str, ...]:
        """Columns whose gaps are faults before any fit: counts are looked at by `faults`."""
        return ()

    def hyper(self) -> Mapping[str, Hyper]:
        """Give none: baselines, where there are any, are integrated inside each row."""
        return {}

    def findings(self, evidence: Evidence) -> list[Finding]:  # noqa: ARG002
        """Give none: every row says something."""
        return []


def silent(evidence: Evidence, rows: NDArray[np.bool_], said: str) -> list[Finding]:
    """Name rows that say little or nothing; `said` follows their names."""
    if not rows.any():
        return []
    names = evidence.data[ESTIMATE].to_numpy()[rows]
    return [Finding("silent-tables", "note", f"Rows {shown(map(str, names))} {said}")]
