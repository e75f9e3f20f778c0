"""A ladder as a table that a person reads, and as plain data."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bayesrtw.analysis.ladder import Ladder, axis_titles
from bayesrtw.analysis.spec import Analysis
from bayesrtw.durable import write_whole, writing
from bayesrtw.evidence.cells import guarded
from bayesrtw.evidence.measure import Measure, measure_named
from bayesrtw.model.spec import Model
from bayesrtw.printed import spell, spell_probability
from bayesrtw.question.ladder import discounted_to
from bayesrtw.report.document import as_json, number
from bayesrtw.report.terminal import indented, opened, severe
from bayesrtw.report.text import interval

if TYPE_CHECKING:
    import pandas as pd

#: What each rung takes for granted, in a reader's words.
MEANING = {
    "randomised": "the trials alone",
    "robust_map": "cohorts give a prior for the trials, with a vague part beside it",
    "mixture": "each study is biased or not, by design and judgement",
    "naive": "every study at its word",
    "registered": "as the analysis states it",
}


def meaning(rung: str) -> str:
    """Say what a rung takes for granted."""
    share = discounted_to(rung)
    if share is not None:
        return f"cohorts keep {100 * share:g} % of their information"
    return MEANING.get(rung, rung)


def show(found: Ladder, analysis: Analysis, console: Console) -> None:
    """Print a ladder."""
    measure = measure_named(analysis.evidence.measure)
    opened(console, analysis.title, found.caveat)
    indented(console, _rungs(found, measure, analysis.model), above=True)
    if len(found.tipping):
        indented(console, _tipping(found, measure), above=True)
    if found.contributions is not None:
        parts = [
            f"{name} {100 * float(row['weight']):.1f} %"
            for name, row in found.contributions.to_dict(orient="index").items()
        ]
        said = Text(f"Weight in the registered answer: {', '.join(parts)}.")
        indented(console, said, above=True)
    console.print()
    for finding in found.findings:
        indented(console, severe(finding.severity, finding.message))


def _rungs(found: Ladder, measure: Measure, model: Model) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    table.add_column("Rung", no_wrap=True)
    table.add_column("Takes for granted", overflow="fold")
    which = model.which(model.pooled)
    mean = f"{measure.abbreviation}, {which}" if which else measure.abbreviation
    table.add_column(f"{mean} (95 % CrI)", justify="right", no_wrap=True)
    table.add_column("P(benefit)", justify="right")
    table.add_column("k", justify="right")
    table.add_column("Engine")
    places = measure.places(found.rungs["lower"], found.rungs["upper"])
    for name, row in found.rungs.to_dict(orient="index").items():
        mark = " *" if row["registered"] else ""
        shown = interval({**row, **_back(row, measure)}, measure, places)
        cells = (spell_probability(row["probability"]), str(row["estimates"]), str(row["engine"]))
        table.add_row(Text(f"{name}{mark}"), Text(meaning(str(name))), shown, *cells)
    table.caption = "* decides the conclusion"
    table.caption_justify = "left"
    return table


def _tipping(found: Ladder, measure: Measure) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    table.add_column("P(benefit) of the naive pool crosses")
    what = f"ratio of {measure.abbreviation}s" if measure.log else "bias"
    table.add_column(f"if cohorts exaggerate by ({what})", justify="right")
    table.add_column("if cohorts keep (% of information)", justify="right")
    for level, row in found.tipping.to_dict(orient="index").items():
        bias, share = float(row["bias"]), float(row["share"])
        shown = math.exp(bias) if measure.log else bias
        table.add_row(
            f"{float(str(level)):.2f} (now {spell_probability(row['now'])})",
            spell(shown, log=measure.log, places=2)
            if math.isfinite(bias)
            else not_within(float(row["within"]), measure),
            f"{100 * share:.0f}" if math.isfinite(share) else "never",
        )
    return table


def not_within(within: float, measure: Measure) -> str:
    """Say how far a tipping bias was looked for."""
    return (
        f"not within ×{float(f'{math.exp(within):.2g}'):g}"
        if measure.log
        else f"not within ±{within:.2g}"
    )


def _back(row: dict[Any, Any], measure: Measure) -> dict[str, float]:
    return {f"{end}_back": float(measure.back(row[end])) for end in ("median", "lower", "upper")}


def as_data(found: Ladder, analysis: Analysis) -> dict[str, Any]:
    """Write a ladder as plain data."""
    measure = measure_named(analysis.evidence.measure)
    rungs = []
    for name, row in found.rungs.to_dict(orient="index").items():
        figures = {str(key): _plain(value) for key, value in row.items()}
        back = {end: number(value) for end, value in _back(row, measure).items()}
        rungs.append(
            {
                "name": str(name),
                "meaning": meaning(str(name)),
                **figures,
                "back_transformed": {
                    end.removesuffix("_back"): value for end, value in back.items()
                },
            }
        )
    tipping = [
        {"level": float(str(level)), **{str(key): number(value) for key, value in row.items()}}
        for level, row in found.tipping.to_dict(orient="index").items()
    ]
    against = found.conflict
    weights = found.contributions
    return {
        "rungs": rungs,
        "curves": {name: _points(curve) for name, curve in found.curves.items()},
        "tipping": tipping,
        "conflict": None
        if against is None
        else {"below": against.below, "p": against.p, "z": against.z},
        "contributions": None
        if weights is None
        else {
            str(name): {"estimates": int(row["estimates"]), "weight": number(row["weight"])}
            for name, row in weights.to_dict(orient="index").items()
        },
        "findings": [
            {"check": each.check, "severity": each.severity, "message": each.message}
            for each in found.findings
        ],
        "caveat": found.caveat,
    }


def _points(curve: "pd.DataFrame") -> list[list[Any]]:
    return [[number(x), number(p)] for x, p in zip(curve["x"], curve["probability"], strict=True)]


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | bool | int) else number(value)


def write(found: Ladder, analysis: Analysis, folder: Path) -> Path:
    """Write a ladder with its pictures."""
    import pandas as pd  # noqa: PLC0415

    from bayesrtw.plot.figure import write_figure  # noqa: PLC0415
    from bayesrtw.plot.ladder import plot_ladder  # noqa: PLC0415
    from bayesrtw.plot.tipping import plot_tipping  # noqa: PLC0415

    measure = measure_named(analysis.evidence.measure)
    to = folder / analysis.id
    pictures = {"ladder": plot_ladder(found.rungs.reset_index(), found.evidence)}
    levels = tuple(float(level) for level in found.tipping.index)
    titles, data = axis_titles(measure), as_data(found, analysis)
    for name, points in data["curves"].items():
        pictures[f"tipping-{name}"] = plot_tipping(
            curve(data, name, points),
            found.evidence,
            x_title=titles[name],
            thresholds=levels,
        )
    table = pd.DataFrame([{**row, **row.pop("back_transformed")} for row in _flat(found, analysis)])
    with writing(to):
        to.mkdir(parents=True, exist_ok=True)
        whole = {"id": analysis.id, **data}
        write_whole(to / "ladder.json", as_json(whole).encode())
        table.map(lambda cell: guarded(cell) if isinstance(cell, str) else cell).to_csv(
            to / "ladder.csv", index=False
        )
        for name, axes in pictures.items():
            figure = axes.get_figure(root=True)
            assert figure is not None
            for suffix in ("svg", "png"):
                write_figure(figure, to / f"{name}.{suffix}")
    return to


def curve(ladder: dict[str, Any], name: str, points: list[list[Any]]) -> "pd.DataFrame":
    """Put a tipping curve into a table, with the points at which it crosses a level among its own."""
    import pandas as pd  # noqa: PLC0415

    exact = [[row[name], row["level"]] for row in ladder["tipping"] if row[name] is not None]
    table = pd.DataFrame([*points, *exact], columns=["x", "probability"], dtype=float)
    return table.assign(design="every study at its word")


def _flat(found: Ladder, analysis: Analysis) -> list[dict[str, Any]]:
    """Rows of the ladder with the reported scale beside the analysis scale."""
    rows = []
    for rung in as_data(found, analysis)["rungs"]:
        back = {f"{end}_back": value for end, value in rung["back_transformed"].items()}
        rows.append({**rung, "back_transformed": back})
    return rows
