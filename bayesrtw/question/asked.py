"""What a verb is asked of: a model with evidence, or what was run already."""

from dataclasses import dataclass
from typing import Any, Protocol

from bayesrtw.engine import solve
from bayesrtw.engine.fitted import Fitted
from bayesrtw.errors import SpecError
from bayesrtw.evidence.measure import Measure, of_ratio
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.checked import paired
from bayesrtw.model.spec import Model


class Ran(Protocol):
    """What was run: an analysis with its rows."""

    @property
    def analysis(self) -> Any:
        """The analysis, with its ``model``."""

    @property
    def evidence(self) -> Evidence:
        """The rows that it pooled."""


@dataclass(frozen=True, slots=True, eq=False)
class About:
    """What a question was asked of: says scale, direction of benefit, caveat, and which mean is pooled."""

    #: model, evidence: the model and its rows.
    model: Model
    evidence: Evidence

    def said(self, *sentences: str) -> str:
        """Put sentences together, with the caveat that must stand beside every result of these rows."""
        caveat = self.evidence.provenance.caveat
        return " ".join(filter(None, (*sentences, f"Caveat: {caveat}" if caveat else "")))


#: What a verb may be asked of.
type Subject = Model | Ran | Fitted


def asked(what: Subject, evidence: Evidence | None = None) -> Fitted:
    """Give the fit that a question is about."""
    if evidence is None and hasattr(what, "without"):
        return what  # type: ignore[return-value] # a Fitted offers `without`
    found = about(what, evidence)
    return solve(found.model, found.evidence)


def about(what: Subject, evidence: Evidence | None = None) -> About:
    """Give the model and the rows that a question is about, by the rules of `asked`."""
    if isinstance(what, Model):
        if evidence is None:
            raise SpecError(
                "a model is asked without rows; give its evidence as the second argument."
            )
        paired(what, evidence)
        return About(what, evidence)
    if evidence is not None:
        raise SpecError(
            f"found {type(what).__name__} with evidence; give a Model with evidence, or a Synthesis alone."
        )
    if hasattr(what, "analysis"):
        return About(what.analysis.model, what.evidence)
    if hasattr(what, "without"):
        return About(what.model, what.evidence)
    raise SpecError(
        f"found {type(what).__name__}; give a Model with evidence, or a Synthesis: run returns one."
    )


def size_of(threshold: float, ratio: float | None, measure: Measure) -> float:
    """Give the size of an effect that counts, stated on the analysis scale or as a ratio of either side."""
    if ratio is None:
        return threshold
    if threshold:
        raise SpecError("threshold and threshold_ratio are both given; state one.")
    if not measure.ratio:
        raise SpecError(
            f"threshold_ratio is {ratio!r}, and {measure.name} is no logarithm of a ratio; state threshold."
        )
    return abs(of_ratio(ratio, "threshold_ratio"))
