"""How the forest plots of a report look: choices of an analysis that no number hangs on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestOptions:
    """How the forest plots of a report look; no digest counts it.

    Parameters
    ----------
    order
        Order of the studies: ``given``, ``effect``, ``weight`` or a column such as ``year``.
    columns
        Columns of the evidence, or numeric items of risk of bias, that stand before the axis.
    counts
        Whether events and people of each arm stand before the axis.
    judged_by
        The instrument whose judgements of risk of bias stand beside the rows; empty for none.
    as_printed
        Whether own intervals are shown as their studies print them.
    """

    order: str = "given"
    columns: tuple[str, ...] = ()
    counts: bool = False
    judged_by: str = ""
    as_printed: bool = True
