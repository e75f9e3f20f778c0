"""The pictures of a report, drawn from a finished synthesis and what it was held against."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayesrtw.analysis.ladder import axis_titles
from bayesrtw.analysis.run import Synthesis
from bayesrtw.analysis.sensitivity import HISTORY, PRIORS, REGISTERED, STUDIES, Panel
from bayesrtw.analysis.severity import AXIS
from bayesrtw.errors import BayesrtwError
from bayesrtw.evidence.measure import measure_named
from bayesrtw.plot.bias_summary import plot_bias_summary
from bayesrtw.plot.bubble import plot_bubble
from bayesrtw.plot.components import plot_components
from bayesrtw.plot.cumulative import describe_cumulative, plot_cumulative
from bayesrtw.plot.currencies import plot_currencies
from bayesrtw.plot.figure import figure_bytes
from bayesrtw.plot.fitted import LEVEL_OF
from bayesrtw.plot.forest import plot_forest
from bayesrtw.plot.funnel import plot_funnel
from bayesrtw.plot.ladder import describe_ladder, plot_ladder
from bayesrtw.plot.league import plot_league
from bayesrtw.plot.leave_one_out import describe_leave_one_out, plot_leave_one_out
from bayesrtw.plot.network import plot_network
from bayesrtw.plot.new_setting import plot_new_setting
from bayesrtw.plot.prior_panel import describe_prior_panel, plot_prior_panel
from bayesrtw.plot.prior_posterior import plot_prior_posterior
from bayesrtw.plot.returns import plot_returns
from bayesrtw.plot.specification_curve import plot_specification_curve
from bayesrtw.plot.tipping import plot_tipping
from bayesrtw.plot.trial_sizes import plot_trial_sizes
from bayesrtw.question.asked import about
from bayesrtw.question.edges import graph
from bayesrtw.question.league import league
from bayesrtw.report.ladder import curve
from bayesrtw.report.next_trial import table_of
from bayesrtw.report.numbers import clean
from bayesrtw.report.words import label

#: A funnel of fewer estimates says nothing of its symmetry: the usual rule (Sterne et al. 2011, BMJ
#: 343:d4002) is ten.
FUNNEL: Final = 10

#: Most rows of a picture: those of the largest weight, or whose absence moves the answer most.
MOST_ROWS: Final = 120

#: Tables of the panel that have a picture: id, how it is drawn and said, and what stands under it.
TABLES: Final = {
    STUDIES: (
        "leave-one-out",
        plot_leave_one_out,
        describe_leave_one_out,
        "The pooled effect without each study in turn; the last row leaves out none.",
    ),
    HISTORY: (
        "cumulative",
        plot_cumulative,
        describe_cumulative,
        "What was known at the end of each year: every row pools all estimates up to it.",
    ),
    PRIORS: (
        "prior-panel",
        plot_prior_panel,
        describe_prior_panel,
        "The pooled effect and that in a new setting under each prior of heterogeneity.",
    ),
}

#: How the names of pictures begin that paper has in the supplement.
ASIDE: Final = (
    "prior-posterior", "risk-of-bias", "cumulative", "prior-panel", "funnel", "severity", "tipping",
)  # fmt: skip

#: What the rows of a table are, where a picture says so.
INDEX: Final = {HISTORY: "year"}


@dataclass(frozen=True)
class Drawn:
    """A figure with its words."""

    figure: Figure  #: What was drawn.
    caption: str  #: What stands under it.
    section: str  #: Id of the section that it belongs to.
    #: Stem of its files in a folder of results; empty if it stands in the page alone.
    file: str = ""
    aside: bool = False  #: Whether paper has it in the supplement alone.

    @cached_property
    def svg(self) -> bytes:
        """What a file and a page both hold."""
        return figure_bytes(self.figure, "svg")


def forests(synthesis: Synthesis) -> dict[str, Drawn]:
    """Draw the forest plots of a synthesis; of single arms the network, whose numbers are no effects."""
    if synthesis.evidence.single_arms.any():
        return _networks(synthesis)
    # An interaction that carries its own level effects keeps no level of each estimate.
    known = synthesis.posterior["constant_data"].data_vars
    columns: list[str | None] = [
        each.column
        for each in synthesis.analysis.model.moderators
        if each.shape == "levels" and f"{LEVEL_OF}{each.column}" in known
    ]
    found, look = {}, synthesis.analysis.report
    for place, column in enumerate(columns or [None]):
        axes = plot_forest(
            synthesis,
            group_by=column,
            order=look.order,
            columns=look.columns,
            counts=look.counts,
            judged_by=look.judged_by or None,
            as_printed=look.as_printed,
            most=MOST_ROWS,
            title=synthesis.analysis.title,
        )
        name = f"forest-by-{column.replace('_', '-')}" if column else "forest"
        by = f" by {column.replace('_', ' ')}" if column else ""
        caption = (
            f"Forest plot{by}: every estimate as its study reports it, what the model makes of it with all "
            "others (shrunken), the pooled effect and the effect in a new setting."
        )
        file = f"forest-{column}" if place else "forest"
        found[name] = replace(_drawn(axes, caption, "pictures"), file=file)
    return found


def _networks(synthesis: Synthesis) -> dict[str, Drawn]:
    """Draw who was compared with whom, and every treatment against every other."""
    model, evidence = synthesis.analysis.model, synthesis.evidence
    caption = "Who was compared with whom: discs by people, lines by studies."
    axes = plot_network(graph(model, evidence), width_mm=130.0)
    found = {"network": replace(_drawn(axes, caption, "pictures"), file="network")}
    try:
        whole = league(synthesis)
    except BayesrtwError:
        # A sampled fit, or a likelihood without neighbours, has no league: the network remains.
        return found
    caption = "The treatment of each row against that of each column, with the probability that it is better."
    return found | {
        "league": replace(_drawn(plot_league(whole), caption, "pictures"), file="league")
    }


def figures(synthesis: Synthesis, content: dict[str, Any]) -> dict[str, Drawn]:
    """Draw every picture that the synthesis and its record have the numbers for."""
    makers = (_fitted, _judged, _laddered, _held, _selected, _foreseen)
    return {
        name: replace(drawn, aside=name.startswith(ASIDE))
        for make in makers
        for name, drawn in make(synthesis, content)
    }


Named = Iterator[tuple[str, Drawn]]


def _fitted(synthesis: Synthesis, content: dict[str, Any]) -> Named:
    """Draw forest plots, and the answer as distributions."""
    yield from forests(synthesis).items()
    if synthesis.analysis.model.likelihood.offers.speaks:
        caption = "Each number of a study translated alone, and what all that is heard of it says together."
        yield (
            "currencies",
            replace(_drawn(plot_currencies(synthesis), caption, "pictures"), file="currencies"),
        )
        if content["pooled"] and any(row["effect"] is None for row in content["rows"]):
            caption = (
                "People back at work in both arms, on average over the studies that tell a curve."
            )
            axes = plot_returns(synthesis, width_mm=130.0)
            yield "returns", replace(_drawn(axes, caption, "pictures"), file="returns")
    if content["pooled"]:
        axes = plot_prior_posterior(synthesis)
        yield (
            "prior-posterior",
            _drawn(axes, "What the data added to the prior of the pooled effect.", "pictures"),
        )
    for each in synthesis.analysis.model.moderators if content["pooled"] else ():
        if each.shape == "line":
            words = each.column.replace("_", " ")
            caption = f"Effects against {words}, with the mean effect that the model expects there and its "
            caption += "interval; bubbles show the weight of each estimate."
            axes = plot_bubble(synthesis, each.column)
            yield f"bubble-{each.column}", _drawn(axes, caption, "pictures")
    if content.get("parts") and content["parts"]["rows"]:
        caption = "What each part adds to a programme, how much of it is the prior, and who tells it most."
        yield "components", _drawn(plot_components(synthesis), caption, "parts")
    if content["pooled"] and content["pooled"]["new"]:
        chance = f", with {content['event']}" if content["event"] else ""
        chance = ", with its probability of benefit" if content["benefit"] else chance
        caption = f"The effect in a new setting, heterogeneity included{chance}."
        yield "new-setting", _drawn(plot_new_setting(synthesis), caption, "pictures")


def _judged(synthesis: Synthesis, _: dict[str, Any]) -> Named:
    """Draw risk of bias, one picture an instrument."""
    pooled = set(synthesis.evidence.data["study"].to_numpy().astype(str).tolist())
    pairs = [
        (each.instrument, each.version)
        for each in synthesis.evidence.judgements.rows
        if each.judgement and each.study in pooled
    ]
    for place, (instrument, version) in enumerate(dict.fromkeys(pairs)):
        if not instrument or (
            not version and [name for name, _ in set(pairs)].count(instrument) > 1
        ):
            continue  # An empty name means any, and would ask for several instruments at once.
        axes = plot_bias_summary(synthesis, instrument=instrument, version=version, width_mm=130.0)
        caption = f"Share of studies with each judgement by {instrument}."
        yield f"risk-of-bias-{place + 1}", _drawn(axes, caption, "evidence")


def _laddered(synthesis: Synthesis, content: dict[str, Any]) -> Named:
    """Draw rungs, and how strong a bias would have to be."""
    ladder = content.get("ladder")
    if not ladder or not ladder["rungs"]:
        return
    rungs = pd.DataFrame(ladder["rungs"]).rename(columns={"name": "rung"})
    rungs["rung"] = rungs["rung"].map(label)
    caption = (
        "The pooled effect on each rung, with that in a new setting beneath it. The filled mark is the rung "
        "that decides."
    )
    axes = plot_ladder(rungs, synthesis)
    axes.set_label(describe_ladder(rungs, synthesis))
    yield "ladder", _drawn(axes, caption, "ladder")
    titles = axis_titles(measure_named(content["measure"]))
    said = {
        "bias": "if the cohorts exaggerate the benefit by so much",
        "share": "if the cohorts keep so much of their information (0: the trials alone)",
    }
    levels = tuple(float(each["level"]) for each in ladder["tipping"])
    for name, points in ladder["curves"].items():
        axes = plot_tipping(
            curve(ladder, name, points),
            synthesis,
            x_title=titles[name],
            thresholds=levels,
            width_mm=130.0,
        )
        yield f"tipping-{name}", _drawn(axes, f"Probability of benefit {said[name]}.", "ladder")


def _selected(synthesis: Synthesis, content: dict[str, Any]) -> Named:
    """Draw how selected the published results would have to be."""
    found = content.get("severity")
    if not found or not found["rows"]:
        return
    points = {
        "x": [float(row["name"]) for row in found["rows"]],
        "probability": [row["probability"] for row in found["rows"]],
    }
    levels = tuple(found["levels"])
    axes = plot_tipping(
        pd.DataFrame(points), synthesis, x_title=AXIS, thresholds=levels, width_mm=130.0
    )
    caption = "Probability of benefit if results that are not significant are seen less often."
    yield "severity", _drawn(axes, caption, "severity")


def _foreseen(synthesis: Synthesis, content: dict[str, Any]) -> Named:
    """Draw what the next trial would be worth, by its size."""
    found = content.get("next_trial")
    if not found or not found["rows"]:
        return
    axes = plot_trial_sizes(table_of(found), synthesis, currency=found["currency"], width_mm=130.0)
    caption = (
        "What the next trial would be worth against the people who take part, and what is left."
    )
    yield "trial-sizes", _drawn(axes, caption, "next-trial")


def _held(synthesis: Synthesis, content: dict[str, Any]) -> Named:
    """Draw the tables of the panel, all specifications together, and the funnel."""
    held = content["sensitivity"]
    tables = {name: _frame(rows) for name, rows in held["tables"].items()} if held else {}
    if any(table["median"].notna().any() for table in tables.values()):
        asked = about(synthesis)
        panel = Panel(tables, held["robustness"], held["caveat"], {}, asked, event=content["event"])
        caption = (
            "Every specification that was tried, sorted by its result, with what was changed in it."
        )
        axes = plot_specification_curve(panel, synthesis, width_mm=130.0)
        yield "specification-curve", _drawn(axes, caption, "sensitivity")
    for heading, (name, plot, describe, caption) in TABLES.items():
        if heading in tables and tables[heading]["median"].notna().any():
            table = _farthest(tables[heading]).rename_axis(INDEX.get(heading, "name"))
            few = len(table) < len(tables[heading])
            cut = f" Shown are the {len(table)} rows that differ most, of {len(tables[heading]):,}."
            axes = plot(table, synthesis)
            axes.set_label(describe(table, synthesis))
            yield name, _drawn(axes, caption + (cut if few else ""), "sensitivity")
    arms = synthesis.evidence.single_arms.any()
    if content["pooled"] and len(content["rows"]) >= FUNNEL and not arms:
        caption = (
            "Funnel plot over contours of significance: whether small studies differ from large ones. "
            "Asymmetry has other reasons than unpublished studies."
        )
        axes = plot_funnel(synthesis, width_mm=130.0)
        yield "funnel", _drawn(axes, caption, "sensitivity")


def _farthest(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of a long table that are farthest from the one that nothing was changed in."""
    if len(table) <= MOST_ROWS:
        return table
    known = [name for name in table.index if name in REGISTERED]
    whole = table.loc[known[0], "median"] if known else table["median"].median()
    apart = (table["median"] - whole).abs().to_numpy(copy=True)
    apart[[name in known for name in table.index]] = np.inf
    kept = np.argsort(-np.nan_to_num(apart, nan=-1.0, posinf=np.inf), kind="stable")[:MOST_ROWS]
    return table.iloc[np.sort(kept)]


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Make a table of the panel of its record again; what is missing there is NaN."""
    hidden = ("back_transformed", "known_as", "change")
    plain = [{key: each for key, each in row.items() if key not in hidden} for row in rows]
    table = pd.DataFrame(plain).set_index("name")
    table.index = table.index.map(clean)
    words = {
        name
        for name in table.columns
        if any(isinstance(value, str) for value in table[name].tolist())
    }
    return table.astype({name: float for name in table.columns if name not in words})


def _drawn(axes: Axes, caption: str, section: str) -> Drawn:
    figure = axes.get_figure(root=True)
    assert figure is not None
    return Drawn(figure, caption, section)
