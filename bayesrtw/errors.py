"""What can go wrong, and what was noticed: errors, typed warnings and findings.

An error's message says *where*: *what was found*; *what is allowed*; *what to do*.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, NoReturn

#: Most characters of one message, and of one word of others in it; nobody reads more.
MOST_MESSAGE, MOST_VALUE = 4000, 200

#: Most faults that are listed before the rest is counted.
MOST_FAULTS = 200


def clipped(text: str, most: int = MOST_VALUE) -> str:
    """Cut a text that is longer than anybody reads."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


class BayesrtwError(ValueError):
    """Base of every error that this package raises on purpose.

    Parameters
    ----------
    *said
        A whole sentence, or the faults of a file; several are listed with numbers.

    Attributes
    ----------
    faults
        What was said, as faults with their places.
    """

    def __init__(self, *said: "Fault | str") -> None:
        self.faults = tuple(Fault(each) if isinstance(each, str) else each for each in said)
        messages = [clipped(str(each), MOST_MESSAGE) for each in said[:MOST_FAULTS]]
        listed = "\n".join(f"  {index}. {text}" for index, text in enumerate(messages, 1))
        if len(said) > MOST_FAULTS:
            listed += f"\n  and {len(said) - MOST_FAULTS} more; mend these first."
        super().__init__(*messages if len(said) < 2 else (f"{len(said)} faults:\n{listed}",))


class EvidenceError(BayesrtwError):
    """Evidence that cannot be read or used as it stands."""


class SpecError(BayesrtwError):
    """A model or an analysis that is not well formed."""


class EngineRefusal(BayesrtwError):
    """A model that an engine cannot fit, with what to use instead."""


class ConvergenceError(BayesrtwError):
    """A fit whose diagnostics failed their gates."""


class OutputError(BayesrtwError):
    """Results that cannot be written where they were asked for."""


class WorkerError(BayesrtwError):
    """Processes or a cluster that cannot be reached, or that died over their work."""


class StoreError(BayesrtwError):
    """A store of runs that cannot be read or written as it stands; nothing in it was deleted."""


#: How grave a finding is. ``failed`` means a check did not hold; ``warning`` limits what may be
#: concluded; ``note`` is said for completeness.
Severity = Literal["failed", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a reader of a result must know.

    Attributes
    ----------
    check
        Short name of the check, in kebab case; stable, for machines.
    severity
        ``"failed"``, ``"warning"`` or ``"note"``.
    message
        One or two sentences for people.

    Examples
    --------
    >>> str(Finding("few-studies", "warning", "Three studies say little about heterogeneity."))
    'warning: Three studies say little about heterogeneity.'
    """

    check: str
    severity: Severity
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.message}"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a fault stands."""

    file: str = ""  #: How messages call the file, or the table in it.
    #: Lines of the rows concerned; empty where a fault is of more than single rows.
    rows: tuple[int, ...] = ()
    study: str = ""  #: The rows' study.
    column: str = ""  #: The column, or the key.

    def __str__(self) -> str:
        rows = " and ".join(str(row) for row in self.rows)
        where = f"row{'s' * (len(self.rows) > 1)} {rows}" if rows else ""
        if where and self.study:
            where += f" (study={clipped(self.study)!r})"
        return ": ".join(part for part in (self.file, where) if part)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a file that has to be mended, in parts; `message` is the one place that joins them.

    Examples
    --------
    >>> place = Whereabouts("results.csv", (7,), "Vale 1977", "se")
    >>> print(Fault("found -1", "se must be positive", "correct it", place=place))
    results.csv: row 7 (study='Vale 1977'): se must be positive; found -1; correct it.
    """

    #: What stands there, as part of a sentence; a whole sentence where nothing else is given.
    found: str
    #: allowed, remedy: what may stand there, and what to do, as parts of a sentence.
    allowed: str = ""
    remedy: str = ""
    rule: str = ""  #: Short name of the broken rule, in kebab case; stable, for machines.
    place: Whereabouts = Whereabouts()  #: Where it stands.
    value: str = ""  #: The cell or the setting at fault, as it stands there.

    @property
    def text(self) -> str:
        """What is wrong, without the place: *what is allowed*; *what was found*; *what to do*."""
        three = (self.allowed, self.found, self.remedy)
        parts = (clipped(part.rstrip("."), MOST_MESSAGE) for part in three if part)
        return "; ".join(parts)

    @property
    def message(self) -> str:
        """The whole sentence."""
        where = str(self.place)
        if not where and not self.allowed and not self.remedy:
            return self.found
        return f"{where}: {self.text}." if where else f"{self.text}."

    def __str__(self) -> str:
        return self.message

    def at(self, file: str, *rows: int, study: str = "") -> "Fault":
        """Say where a fault stands that was noted without its file."""
        return replace(self, place=Whereabouts(file, rows, study, self.place.column))


@dataclass(slots=True)
class Faults:
    """Collects every fault of a file, so that a person mends them in one go."""

    error: type[BayesrtwError]  #: The error to raise when there is at least one fault.
    #: What was found so far, in the order in which it was found.
    found: list[Fault] = field(default_factory=list)

    @property
    def messages(self) -> list[str]:
        """The faults as sentences."""
        return [each.message for each in self.found]

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, fault: Fault | str) -> None:
        """Note one fault."""
        self.found.append(Fault(fault) if isinstance(fault, str) else fault)

    def extend(self, faults: Iterable[Fault | str]) -> None:
        """Note several faults."""
        for each in faults:
            self.add(each)

    def raise_if_any(self) -> None:
        """Raise one error that lists every fault."""
        if self.found:
            self.stop()

    def stop(self) -> NoReturn:
        """Raise the collected faults."""
        raise self.error(*self.found)


def shown(values: Iterable[object], limit: int = 5) -> str:
    """List values for a message, at most `limit` of them."""
    items = [clipped(repr(str(value) if isinstance(value, str) else value)) for value in values]
    if len(items) <= limit:
        return ", ".join(items)
    return ", ".join(items[:limit]) + f" and {len(items) - limit} more"
