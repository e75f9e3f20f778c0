"""What each part of programmes adds, with the studies that tell it and what is left to the prior.

arviz-plots' `plot_forest` could draw the coefficients from draws, without the studies behind them.
"""

from bayesrtw.analysis.run import Synthesis
from bayesrtw.engine import solve
from bayesrtw.errors import SpecError
from bayesrtw.plot.fitted import read_forest
from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.page import draw_page
from bayesrtw.plot.rows import Column, Forest, Interval, Row, effect_column
from bayesrtw.plot.verbs import verbs
from bayesrtw.printed import spell_probability
from bayesrtw.question.parts import told_by

#: Letters of a study's name that stand beside a part.
LETTERS = 22


def _read(source: Synthesis, *, ci_prob: float = 0.95) -> Forest:
    """Draw what each part adds, and beside it the shares of studies and of the prior.

    Parameters
    ----------
    source
        A synthesis of a model of components.
    ci_prob
        Probability of every interval, in (0, 1).

    Returns
    -------
    Forest
        The axis of effects, as of `plot_forest`.

    Raises
    ------
    SpecError
        If the model is not one of components, `source` is no synthesis, or `ax` or `width_mm` is too small.
    EngineRefusal
        If the model is one that no engine takes apart by studies.
    """
    if not isinstance(source, Synthesis):
        raise SpecError(
            f"plot_components: found {type(source).__name__}; give the Synthesis that run returned: which "
            "studies tell a part follows from its model and rows."
        )
    whole = read_forest(source, group_by=None, ci_prob=ci_prob)
    told = told_by(solve(source.analysis.model, source.evidence), ci_prob=ci_prob)
    titles = {part.name: part.title for part in source.evidence.coding.parts}
    rows = [
        Row(
            "level",
            one_line(titles.get(str(name), str(name).replace("_", " "))),
            Interval(*(float(row[end]) for end in ("median", "lower", "upper"))),
        )
        for name, row in told.table.iterrows()
    ]
    columns: dict[str, tuple[str, ...]] = {}
    event = whole.direction.event
    if event:
        columns[event] = tuple(spell_probability(p) for p in told.table["probability"])
    columns["Prior, %"] = tuple(f"{100 * share:.0f}" for share in told.table["prior"])
    columns["Most told by, %"] = tuple(_told(told.first(str(name), 1)) for name in told.table.index)
    return Forest(
        kind="Effects of parts",
        subject="Part",
        rows=tuple(rows),
        before=(Column("Studies", tuple(f"{count}" for count in told.table["studies"])),),
        columns=(
            effect_column(rows, whole.measure, whole.unit, whole.percent, whole.places),
            *(Column(heading, texts, heading != event) for heading, texts in columns.items()),
        ),
        legend=(("mean", f"what a part adds, {whole.percent} interval"),),
        measure=whole.measure,
        unit=whole.unit,
        direction=whole.direction,
        ci_prob=ci_prob,
        places=whole.places,
        grouped=False,
        notes=(
            "Shares of studies in a part and of the prior add up to 100 %: what the posterior mean would "
            "take over through each, had the part more effect.",
            "Parts are compared across studies: what else differs with a part may stand behind it.",
        ),
        caveat=whole.caveat,
        phrases=True,
    )


def _told(first: list[tuple[str, float]]) -> str:
    """Name studies with their shares; what follows a name in brackets or after a comma is left out."""
    names = [
        (one_line(study).split(" (")[0].split(",")[0][:LETTERS], share) for study, share in first
    ]
    return ", ".join(f"{name} {100 * share:.0f}" for name, share in names)


plot_components, describe_components = verbs(_read, draw_page, width_mm=220.0)
