"""Direct and indirect evidence of each comparison of a network, as rows of intervals.

arviz-plots has no such picture; the rows are drawn by `bayesrtw.plot.page`.
"""

from typing import Final

import numpy as np

from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.page import draw_page
from bayesrtw.plot.rows import Column, Forest, Interval, Row, effect_column
from bayesrtw.plot.subject import subject_of
from bayesrtw.plot.verbs import verbs
from bayesrtw.printed import spell_probability
from bayesrtw.question.inconsistency import Splits, counted

_CALLED: Final = {"direct": "direct", "indirect": "indirect", "network": "network"}


def _read(splits: Splits) -> Forest:
    """Draw what is told directly, indirectly and together of each comparison that was split.

    Parameters
    ----------
    splits
        What `bayesrtw.network.splits` returned.

    Returns
    -------
    Forest
        The axis of effects, as of `plot_forest`.
    """
    subject, rows, chances = subject_of(splits.about), list[Row](), list[str]()
    sources = splits.table
    for (one, other), check in zip(
        splits.checks.index, splits.checks.to_dict("records"), strict=True
    ):
        name = one_line(f"{one} vs {other}")
        rows.append(Row("heading", name))
        chances.append("")
        for source, called in _CALLED.items():
            place = sources.index.get_loc((one, other, source))
            ends = sources[["median", "lower", "upper"]].to_numpy(dtype=np.float64)[place].tolist()
            studies = f", {counted(check['studies'])}" if source == "direct" else ""
            rows.append(
                Row("result", f"{called}{studies}", Interval(*ends), hollow=source == "network")
            )
            first = source == "direct"
            chances.append(spell_probability(float(check["p_value"])) if first else "")
    seen = [row.interval for row in rows if row.interval is not None]
    places = subject.measure.places([it.lower for it in seen], [it.upper for it in seen])
    percent = f"{100 * splits.ci_prob:g}%"
    effect = effect_column(rows, subject.measure, subject.unit, percent, places, kind="CrI")
    told = "P: two-sided Bayesian P value of the difference between direct and indirect evidence."
    return Forest(
        kind="Node splits",
        subject="Comparison",
        rows=tuple(rows),
        before=(),
        columns=(
            Column(effect.heading, effect.texts, needed=True),
            Column("P", tuple(chances), note=told),
        ),
        legend=(
            ("result", f"direct or indirect evidence, {percent} interval"),
            ("unregistered", "both together"),
        ),
        measure=subject.measure,
        unit=subject.unit,
        direction=subject.direction,
        ci_prob=splits.ci_prob,
        places=places,
        grouped=True,
        notes=tuple(one_line(note) for note in splits.notes),
        caveat=subject.caveat,
        phrases=True,
    )


plot_splits, _ = verbs(_read, draw_page, width_mm=170.0)


def describe_splits(splits: Splits) -> str:
    """Put the picture in words for who cannot see it: those of the result."""
    return splits.describe()
