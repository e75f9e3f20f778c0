"""What can go wrong, and what was noticed: errors, typed warnings and findings.

An error's message says *where*: *what was found*; *what is allowed*; *what to do*.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NoReturn


class BayesrtwError(ValueError):
    """Base of every error that this package raises on purpose."""


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


class BayesrtwWarning(UserWarning):
    """Base of every warning of this package."""


class InertArgumentWarning(BayesrtwWarning):
    """An argument that was given on purpose and has no effect."""


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


@dataclass(slots=True)
class Faults:
    """Collects every fault of a file, so that a person mends them in one go.

    Attributes
    ----------
    error
        The error to raise when there is at least one fault.
    messages
        What was found so far, in the order in which it was found.
    """

    error: type[BayesrtwError]
    messages: list[str] = field(default_factory=list)

    def add(self, message: str) -> None:
        """Note one fault.

        Parameters
        ----------
        message
            A whole sentence that begins with where the fault stands.
        """
        self.messages.append(message)

    def extend(self, messages: Iterable[str]) -> None:
        """Note several faults.

        Parameters
        ----------
        messages
            Whole sentences, as for `add`.
        """
        self.messages.extend(messages)

    def raise_if_any(self) -> None:
        """Raise one error that lists every fault.

        Raises
        ------
        BayesrtwError
            Of the class given as `error`, if any fault was noted.
        """
        if self.messages:
            self.stop()

    def stop(self) -> NoReturn:
        """Raise the collected faults.

        Raises
        ------
        BayesrtwError
            Of the class given as `error`.
        """
        if len(self.messages) == 1:
            raise self.error(self.messages[0])
        listed = "\n".join(f"  {index}. {text}" for index, text in enumerate(self.messages, 1))
        raise self.error(f"{len(self.messages)} faults:\n{listed}")


def shown(values: Iterable[object], limit: int = 5) -> str:
    """List values for a message, at most `limit` of them.

    Parameters
    ----------
    values
        What to show, in order.
    limit
        How many to show before the rest is only counted.

    Returns
    -------
    str
        ``'a', 'b', 'c' and 3 more``.
    """
    items = [repr(value) for value in values]
    if len(items) <= limit:
        return ", ".join(items)
    return ", ".join(items[:limit]) + f" and {len(items) - limit} more"
