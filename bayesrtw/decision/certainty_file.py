"""Certainty that a person confirmed: a file that names who, when, which level and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from bayesrtw.bounded import bytes_of, toml_of
from bayesrtw.decision.certainty import LEVELS, Suggested
from bayesrtw.errors import Faults, SpecError, shown
from bayesrtw.evidence.table import Provenance
from bayesrtw.registry import decode

#: Name of the file in a data set's folder or a store.
FILE: Final = "certainty.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A person's judgement of the certainty of an analysis's evidence.

    Parameters
    ----------
    analysis
        Id of the analysis.
    revision
        Its revision, which was judged.
    version
        Version of the data set whose rows were judged; 0 for evidence without one.
    level
        ``high``, ``moderate``, ``low`` or ``very low``.
    by
        Who.
    on
        When.
    why
        Why; printed with the level.
    at
        Values of moderators that it is about; the pooled mean unless given.
    """

    analysis: str
    revision: int
    level: str
    by: str
    on: date
    why: str
    version: int = 0
    at: Mapping[str, str | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise SpecError(f"level is {self.level!r}; choose one of {shown(LEVELS)}.")
        for name in ("by", "why"):
            if not getattr(self, name).strip():
                raise SpecError(f"{name} is empty: a confirmation says who judged, and why.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A certainty.toml, as the registry decodes it."""

    confirmation: tuple[Confirmation, ...]
    schema: int = 1


def confirmations(path: str | Path) -> tuple[Confirmation, ...]:
    """Read confirmations.

    Parameters
    ----------
    path
        A file, or a folder of a data set or store that holds ``certainty.toml``.

    Returns
    -------
    tuple of Confirmation
        In the order of the file.

    Raises
    ------
    SpecError
        If there is no such file, or it has faults, each named.
    """
    place = Path(path)
    place = place / FILE if place.is_dir() else place
    if not place.is_file():
        raise SpecError(
            f"{place}: there is no such file; give a {FILE} or the folder that holds it."
        )
    try:
        table = toml_of(bytes_of(place).decode("utf-8-sig"))
    except OSError as error:
        raise SpecError(f"{place}: cannot be read ({error.strerror}); check the path.") from None
    except ValueError as error:
        raise SpecError(f"{place}: is not TOML: {error}.") from None
    faults = Faults(SpecError)
    found = decode(_File, table, where=str(place), faults=faults)
    faults.raise_if_any()
    assert found is not None
    return found.confirmation


@dataclass(frozen=True, slots=True, kw_only=True)
class Certainty:
    """What is printed of the certainty of an answer."""

    suggested: Suggested  #: What the numbers suggest.
    confirmed: Confirmation | None = None  #: What a person confirmed; None where nobody did.
    #: In which way the confirmation is older than the evidence, in words; empty where it is not.
    aged: str = ""

    @property
    def level(self) -> str:
        """The confirmed level, or the suggested one."""
        return self.confirmed.level if self.confirmed else self.suggested.level

    @property
    def said(self) -> str:
        """The level, with who confirmed it or that nobody did."""
        if self.confirmed is None:
            # Nothing is lower than the lowest level.
            open_ = self.suggested.open if self.level != LEVELS[-1] else ()
            most, left = (
                ("", "") if not open_ else (" at most", f"; not assessed: {', '.join(open_)}")
            )
            return f"{self.level.capitalize()}{most} (suggested, not confirmed by a person{left})"
        one = self.confirmed
        aged = f"; {self.aged}" if self.aged else ""
        return f"{self.level.capitalize()} (confirmed by {one.by} on {one.on.isoformat()}{aged})"


def settled(
    suggested: Suggested,
    every: Sequence[Confirmation],
    *,
    analysis: str,
    revision: int,
    provenance: Provenance,
    at: Mapping[str, object] | None = None,
) -> Certainty:
    """Put a suggestion beside what a person confirmed of the same revision."""
    own = [each for each in every if each.analysis == analysis and each.at == dict(at or {})]
    fits = [each for each in own if each.revision == revision]
    if own and not fits:
        others = ", ".join(str(each.revision) for each in own)
        raise SpecError(
            f"{FILE}: the certainty of {analysis} is confirmed for revision {others}, and the analysis is at "
            f"revision {revision}: judge it anew, or take the confirmation out."
        )
    if not fits:
        return Certainty(suggested=suggested)
    last = max(reversed(fits), key=lambda each: each.on)  # of one day, the last in the file
    if last.version > provenance.version:
        raise SpecError(
            f"{FILE}: the certainty of {analysis} is confirmed for version {last.version} of the rows, and "
            f"these are version {provenance.version}: give the rows that were judged."
        )
    return Certainty(suggested=suggested, confirmed=last, aged=_aged(last, provenance))


def _aged(last: Confirmation, provenance: Provenance) -> str:
    """Say if rows are newer than what was confirmed."""
    if last.version < provenance.version:
        now = provenance.version
        return f"older than the evidence: version {last.version} was judged, this is version {now}"
    if provenance.retrieved and last.on.isoformat() < provenance.retrieved:
        return f"older than the evidence, which was retrieved on {provenance.retrieved}"
    return ""
