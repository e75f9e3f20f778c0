"""What an update came to: exit codes, the same everywhere, and a result that travels between processes."""

from dataclasses import asdict, dataclass
from typing import Any

#: Exit code of an update and its meaning, gravest last but for 1. 2 is click's, for a command that was
#: not understood, and 3 is taken by `bayesrtw check --strict`.
CODES: dict[int, str] = {
    0: "no change",
    10: "numbers moved, same conclusion",
    20: "the class of the conclusion changed: a draft waits for a person",
    30: "conflict or surprise",
    40: "evidence rejected, or rows set aside",
    50: "a fit failed its gate",
    1: "something could not be read, fitted or written",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of one analysis in an update."""

    analysis: str  #: Id.
    code: int  #: Of `CODES`.
    #: ``heartbeat``, ``first``, ``run``, ``refit``, ``rejected``, ``gate`` or ``failed``.
    state: str
    text: str  #: One line for people.
    run: str = ""  #: Name of the run that was stored; empty without one.
    status: str = ""  #: ``published`` or ``draft``; empty without a run.
    conclusion: str = ""  #: The class that the run gives; empty without one.
    reasons: tuple[str, ...] = ()  #: Why it was due, and why it got its code.
    seconds: float = 0.0  #: How long it took.
    trace: str = ""  #: Where an error that nobody foresaw came from; empty otherwise.

    def plain(self) -> dict[str, Any]:
        """Give it as plain data."""
        return asdict(self)


def gravest(codes: list[int]) -> int:
    """Give the exit code of several analyses."""
    order = list(CODES)
    return max(codes, key=order.index, default=0)
