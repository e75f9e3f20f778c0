"""What a picture is of: the scale, the direction of benefit and the caveat, from whatever was given."""

from dataclasses import dataclass

import pandas as pd
import xarray as xr

from bayesrtw.analysis.run import Synthesis
from bayesrtw.errors import SpecError
from bayesrtw.evidence.measure import Measure, measure_named
from bayesrtw.evidence.table import Evidence
from bayesrtw.plot.lettering import one_line
from bayesrtw.posterior.summarise import summarise
from bayesrtw.posterior.tree import direction_of, pooled_of, which_of
from bayesrtw.printed import Direction
from bayesrtw.question.asked import About

#: Whatever says on which scale effects are.
Source = Synthesis | xr.DataTree | Evidence | About


@dataclass(frozen=True, slots=True)
class Subject:
    """Scale and direction of effects."""

    #: measure, unit, direction: of the effects.
    measure: Measure
    unit: str
    direction: Direction
    caveat: str  #: What must stand beside every result; may be empty.
    #: Which mean the pooled effect is, where there are two; empty of evidence alone.
    which: str = ""

    @property
    def means(self) -> tuple[str, ...]:
        """Say which mean the pooled effect is, where there are two: one note, or none."""
        return (f"Pooled effect: {self.which}.",) if self.which else ()

    @property
    def axis_title(self) -> str:
        """What stands along an axis of effects."""
        scale = " (log scale)" if self.measure.log else f", {self.unit}" if self.unit else ""
        return f"{self.measure.title}{scale}"


def subject_of(source: Source) -> Subject:
    """Take scale, direction and caveat from a synthesis, a tree, evidence, or what was asked about."""
    if isinstance(source, Evidence | About):
        rows = source if isinstance(source, Evidence) else source.evidence
        which = "" if isinstance(source, Evidence) else source.model.which(source.model.pooled)
        caveat = one_line(rows.provenance.caveat)
        return Subject(rows.measure, rows.unit, rows.direction, caveat, which)
    tree = tree_of(source)
    attrs = tree.attrs
    return Subject(
        measure_named(str(attrs["measure"])),
        str(attrs["unit"]),
        direction_of(tree),
        one_line(str(attrs["caveat"])),
        which_of(tree, pooled_of(tree)),
    )


def tree_of(source: Synthesis | xr.DataTree) -> xr.DataTree:
    """Give the fitted tree of a synthesis, or the tree itself."""
    if isinstance(source, Synthesis):
        return source.posterior
    if not isinstance(source, xr.DataTree):
        raise SpecError(
            f"found {type(source).__name__}; give a Synthesis, or the DataTree that fit returned."
        )
    return source


def summary_of(source: Synthesis | xr.DataTree, ci_prob: float) -> pd.DataFrame:
    """Summarise what was fitted; a synthesis has done so at its own probability."""
    if isinstance(source, Synthesis) and (source.quantities["ci_prob"] == ci_prob).all():
        return source.quantities
    return summarise(tree_of(source), ci_prob=ci_prob)


def evidence_of(source: Source, evidence: Evidence | None, why: str) -> Evidence:
    """Give the evidence that was pooled."""
    if evidence is not None:
        return evidence
    if isinstance(source, Evidence):
        return source
    if isinstance(source, Synthesis | About):
        return source.evidence
    raise SpecError(
        f"{why} needs the evidence, which a tree does not hold; give the Synthesis that run returned in its "
        "place, or the rows beside it: evidence=..."
    )
