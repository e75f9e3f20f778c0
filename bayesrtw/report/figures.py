"""The pictures of a report, drawn from a finished synthesis."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayesrtw.analysis.run import Synthesis
from bayesrtw.model.moderator import Categorical
from bayesrtw.plot.forest import plot_forest


def figures(synthesis: Synthesis) -> dict[str, tuple[Figure, str]]:
    """Draw every picture that the synthesis has the numbers for.

    Parameters
    ----------
    synthesis
        What `run` returned.

    Returns
    -------
    dict
        Name (an id of a page) to figure and caption, in the order in which they are read.
    """
    title = synthesis.analysis.title
    columns: list[str | None] = [
        term.column for term in synthesis.analysis.term if isinstance(term, Categorical)
    ]
    found: dict[str, tuple[Figure, str]] = {}
    for column in columns or [None]:
        axes = plot_forest(synthesis.posterior, group_by=column, title=title)
        name = f"forest-by-{column.replace('_', '-')}" if column else "forest"
        by = f" by {column.replace('_', ' ')}" if column else ""
        caption = (
            f"Forest plot{by}: every estimate as its study reports it, what the model makes of it given all "
            "others, the pooled effect and the effect in a new setting."
        )
        found[name] = (_figure(axes), caption)
    return found


def _figure(axes: Axes) -> Figure:
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure
