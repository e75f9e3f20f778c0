"""Forest plot: every estimate, what the model makes of it, and the pooled effect.

arviz-plots has a `plot_forest` of posterior draws; it knows no own estimates, weights, prior rows,
back-transformed axes or columns of text, so this one is drawn here.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayesrtw.analysis.run import Synthesis
from bayesrtw.errors import SpecError
from bayesrtw.evidence.quality import Judgements
from bayesrtw.evidence.table import Evidence
from bayesrtw.plot.fitted import read_forest
from bayesrtw.plot.judgement import Dots, Mark, numeric_items, sheet_of
from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.own import GIVEN, apart, heaviest, held_as, ordered, places, translated
from bayesrtw.plot.own import as_printed as with_printed
from bayesrtw.plot.page import draw_page
from bayesrtw.plot.rows import Column, Forest
from bayesrtw.plot.subject import evidence_of, tree_of
from bayesrtw.posterior.tree import models_of
from bayesrtw.question.ladder import Rungs
from bayesrtw.registry import suggestion

#: What the counts beside a forest are.
_COUNTS: Final = "Programme, comparison: events/people, or people alone where no events are known."

#: Columns of counts: heading, events and people of an arm.
_ARMS: Final = (("Programme", "events_t", "n_t"), ("Comparison", "events_c", "n_c"))


def plot_forest(
    source: Synthesis | xr.DataTree,
    *,
    group_by: str | None = None,
    ci_prob: float = 0.95,
    counts: bool = False,
    columns: Sequence[str] = (),
    judged_by: str | None = None,
    order: str = GIVEN,
    as_printed: bool = False,
    most: int | None = None,
    evidence: Evidence | None = None,
    title: str = "",
    width_mm: float = 170.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw a forest plot.

    Each estimate has two marks: its own value, a square whose area is its weight in the pooled mean,
    and beneath it, lighter, the shrunken value: what the model believes of that study from its own
    value and all others. The prior stands in a row of its own with the weight it has. An interval that
    leaves the axis ends in an arrow head; the axis follows the typical interval, not the widest.

    Parameters
    ----------
    source
        A synthesis, or what `fit` returned.
    group_by
        A column of text in ``constant_data``: a categorical moderator of the model, whose level
        means are then shown too, or e.g. ``"design"``.
    ci_prob
        Probability of every interval, in (0, 1).
    counts
        Whether events and people of each arm stand before the axis, where the evidence has them.
    columns
        Columns of the evidence that stand before the axis, e.g. ``("country",)``; or numeric items of risk of
        bias, such as a loss to follow-up in per cent.
    judged_by
        Name of the instrument whose judgements of risk of bias stand beside the rows; ``""`` for the
        only one, None for no judgements. Domains that do not fit are left to the overall judgement.
    order
        Order of the estimates under each heading: ``"given"``, ``"effect"``, ``"weight"`` (largest first), or
        a column of the evidence such as ``"year"``.
    as_printed
        Whether own intervals are drawn and printed as their studies print them, where they are 95 % intervals
        of this measure: 1.2 to 2.8, and not the normal interval that the model takes, 1.24 to 2.90.
    most
        Most estimates that are drawn: those of the largest weight, with a note of how many; None draws all.
    evidence
        What was pooled, where `source` is a tree and `counts`, `columns`, `judged_by`, `order` or
        `as_printed` need it. Where it is known, cohorts are open circles among trials.
    title
        Heading of the plot.
    width_mm
        Width of the figure in millimetres; columns that do not fit are left out.
    ax
        Empty axes whose place on their figure is used; they must be large enough. None makes a
        figure as high as the rows need.

    Returns
    -------
    Axes
        The axis of effects: across in units of the reported scale (ratios on a logarithmic axis),
        downwards in points. ``get_figure()`` gives the figure.

    Raises
    ------
    SpecError
        If `group_by`, `order` or one of `columns` does not exist, `ci_prob` is not in (0, 1), evidence is
        needed and not there, or `ax` or `width_mm` is too small.

    Notes
    -----
    Own intervals are normal, ``effect ± z se``. Where the engine gives no weights (NUTS), the area of
    a square is a precision, ``1 / (se^2 + tau^2)`` at the median of a single tau and else
    ``1 / se^2``, and no weight is printed.

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": list("ABC"), "effect": [0.3, 0.1, 0.2], "se": [0.1] * 3})
    >>> evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    >>> model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 0.5)),
    ...                          brw.Exchangeable(brw.prior.HalfNormal(0.25))))
    >>> axes = brw.plot_forest(brw.fit(model, evidence))
    >>> [label.get_text() for label in axes.get_xticklabels()]
    ['0.8', '1', '1.2', '1.4', '1.6', '1.8']
    """
    forest = read_forest(source, group_by=group_by, ci_prob=ci_prob)
    known = source.evidence if isinstance(source, Synthesis) else evidence
    forest = translated(forest, known, models_of(tree_of(source)))
    forest = ordered(forest, known, order)
    forest = forest if most is None else heaviest(forest, most)
    if as_printed:
        forest = with_printed(forest, evidence_of(source, evidence, "an interval as printed"))
    if known is not None:
        ladder = source.analysis.ladder if isinstance(source, Synthesis) else Rungs()
        forest = apart(forest, known, ladder.studies)
    if counts or columns:
        rows = evidence_of(source, evidence, "a column of counts or words")
        before = _before(forest, rows, columns, counts=counts)
        forest = replace(forest, before=before)
    if judged_by is not None:
        rows = evidence_of(source, evidence, "a column of judgements")
        forest = replace(forest, dots=_dots(forest, rows, judged_by))
    return draw_page(forest, title=title, ax=ax, width_mm=width_mm)


def describe_forest(
    source: Synthesis | xr.DataTree, *, group_by: str | None = None, ci_prob: float = 0.95
) -> str:
    """Put a forest plot in words for who cannot see it.

    Parameters
    ----------
    source
        A synthesis, or what `fit` returned.
    group_by
        As in `plot_forest`.
    ci_prob
        Probability of every interval, in (0, 1).

    Returns
    -------
    str
        Sentences: what is shown, the pooled effect, the new setting, the notes, the caveat.
    """
    return read_forest(source, group_by=group_by, ci_prob=ci_prob).describe()


def _before(
    forest: Forest, evidence: Evidence, columns: Sequence[str], *, counts: bool
) -> tuple[Column, ...]:
    """Columns of counts and of words."""
    at = places(forest, evidence)
    found: list[Column] = []
    items = numeric_items(evidence.judgements)
    studies = [str(study) for study in evidence.data["study"].to_numpy()]
    for name in columns:
        if name in items:
            texts = [items[name].get(study, "") for study in studies]
            found.append(_column(one_line(name), texts, at))
            continue
        own = held_as(evidence, name)
        if own not in evidence.data:
            have = [*(str(each) for each in evidence.data.data_vars), *items]
            raise SpecError(f"plot_forest: no column {name!r}; {suggestion(name, have)}")
        values = [_word(value) for value in evidence.data[own].to_numpy()]
        heading = one_line(name.replace("_", " "))
        found.append(_column(heading[:1].upper() + heading[1:], values, at))
    for heading, events, people in _ARMS if counts else ():
        of = {name: _whole(evidence, name) for name in (events, people)}
        texts = [
            f"{event}/{size}" if event and size else size
            for event, size in zip(of[events], of[people], strict=True)
        ]
        if any(texts):
            first = not any(column.note for column in found)
            found.append(replace(_column(heading, texts, at), note=_COUNTS if first else ""))
    return tuple(found)


def _column(heading: str, values: Sequence[str], places: Sequence[int | None]) -> Column:
    return Column(heading, tuple("" if place is None else values[place] for place in places))


def _word(value: object) -> str:
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:g}"
    text = one_line(str(value)).replace("_", " ")
    return text if len(text) <= 24 else f"{text[:14].rstrip()}…{text[-8:].lstrip()}"


def _whole(evidence: Evidence, name: str) -> list[str]:
    """Spell counts; empty where there is none."""
    if name not in evidence.data or evidence.data[name].dtype == object:
        return [""] * evidence.size
    return ["" if np.isnan(value) else f"{value:,.0f}" for value in evidence.data[name].to_numpy()]


def _dots(forest: Forest, evidence: Evidence, instrument: str) -> Dots:
    """Judgements of the study of each row, by one instrument and one assessor."""
    studies = [str(study) for study in evidence.data["study"].to_numpy()]
    first = _first_assessor(evidence.judgements)
    sheet = sheet_of(first, studies, instrument=instrument)
    overall = sheet.domains[-1] == "overall"
    count = len(sheet.domains)
    headings = [f"D{place + 1}" for place in range(count - overall)] + ["RoB"] * overall
    cells = dict(zip(sheet.studies, sheet.cells, strict=True))
    marks: list[tuple[Mark | None, ...]] = []
    for place in places(forest, evidence):
        found = () if place is None else cells.get(studies[place], ())
        marks.append(found)
    named = "; ".join(
        f"{short}: {title[:1].lower()}{title[1:]}"
        for short, title in zip(headings, sheet.titles, strict=True)
    )
    return Dots(tuple(headings), sheet.instrument, f"{named}.", tuple(marks))


def _first_assessor(judgements: Judgements) -> Judgements:
    """Keep one assessor's judgements of a study: a row has room for one."""
    kept: dict[tuple[str, str], str] = {}
    for row in judgements.rows:
        kept.setdefault((row.study, row.instrument), row.assessor)
    return Judgements(
        tuple(r for r in judgements.rows if kept[(r.study, r.instrument)] == r.assessor)
    )
