"""The distribution of the ranks of treatments: for each the probability of being best, second and so on.

arviz-plots has no such picture. Shades go from dark for the best rank to light for the last, so that grey
print is enough; a probability stands where it has room.
"""

from matplotlib.axes import Axes

from bayesrtw.plot.figure import INK, MM, figure_style
from bayesrtw.plot.frame import Frame, Side, draw_frame, write
from bayesrtw.plot.lettering import one_line, shorten, type_for, width
from bayesrtw.plot.strip import Sample
from bayesrtw.plot.subject import subject_of
from bayesrtw.printed import spell_probability
from bayesrtw.question.ranking import Ranks

#: Height of a row in points, of its bar as a share of it; names take at most this share of the width.
ROW, BAR, NAME_SHARE = 17.0, 0.72, 0.36

#: Ends of the shades, dark and light, as red, green and blue; and the shade from which type is white.
DARK, LIGHT, WHITE_BELOW = (0, 78, 124), (224, 238, 248), 0.45

#: Ranks that the legend names one by one; of more the first and the last.
MOST_NAMED = 7


def plot_ranks(ranks: Ranks, *, width_mm: float = 84.0, ax: Axes | None = None) -> Axes:
    """Draw the distribution of ranks, one bar a treatment, the best mean rank first.

    Parameters
    ----------
    ranks
        What `bayesrtw.network.ranks` returned.
    width_mm
        Width of the figure in millimetres.
    ax
        Empty axes whose place on their figure is used; None makes a figure as high as the bars need.

    Returns
    -------
    Axes
        Across probability, downwards the number of the treatment by its mean rank, from 0.

    Raises
    ------
    SpecError
        If `ax` or `width_mm` is too small.
    """
    table = ranks.table.sort_values("mean", kind="stable")
    spread = ranks.distribution.loc[table.index].to_numpy()
    count, subject = len(table), subject_of(ranks.about)
    root = None if ax is None else ax.get_figure(root=True)
    room = width_mm * MM if ax is None or root is None else ax.bbox.width * 72.0 / root.dpi
    face = type_for(room).body
    names = [shorten(one_line(str(name)), NAME_SHARE * room, face) for name in table.index]
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    named = range(count) if count <= MOST_NAMED else (0, count - 1)
    legend = tuple((Sample(_shade(rank, count), area=True), _called(rank, count)) for rank in named)
    error = float(ranks.error.to_numpy().max())
    how = f"Monte Carlo standard errors up to {error:.2g}." if error else "Exact."
    frame = Frame(
        kind="Ranks",
        described=describe_ranks(ranks),
        x=Side(
            "Probability of the rank", 0.0, 1.0, values=ticks, labels=tuple(f"{t:g}" for t in ticks)
        ),
        y=Side("", count - 0.5, -0.5, values=tuple(range(count)), labels=tuple(names)),
        height=1.0,
        up=ROW * count,
        legend=legend,
        notes=(f"By mean rank. {how}",),
        caveat=subject.caveat,
    )
    with figure_style():
        axes = draw_frame(frame, ax=ax, width_mm=width_mm)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        root = axes.get_figure(root=True)
        long = axes.bbox.width * (72.0 / root.dpi if root is not None else 1.0)
        for row in range(count):
            start = 0.0
            for rank in range(count):
                share = float(spread[row, rank])
                axes.barh(
                    row,
                    share,
                    BAR,
                    left=start,
                    color=_shade(rank, count),
                    edgecolor=INK,
                    linewidth=0.4,
                    gid=f"{names[row]}: rank {rank + 1}",
                )
                text = spell_probability(share)
                if share * long > width(text, face) + 4.0:
                    ink = "white" if rank / max(count - 1, 1) < WHITE_BELOW else INK
                    at = (start + share / 2, row)
                    write(axes, at, text, face, axes.transData, ha="center", color=ink)
                start += share
    return axes


def describe_ranks(ranks: Ranks) -> str:
    """Put the picture in words for who cannot see it.

    Parameters
    ----------
    ranks
        As in `plot_ranks`.

    Returns
    -------
    str
        Of each treatment the probability of being best, and its rank with an interval.
    """
    return ranks.describe()


def _called(rank: int, count: int) -> str:
    return "best" if rank == 0 else "last" if rank == count - 1 else f"rank {rank + 1}"


def _shade(rank: int, count: int) -> str:
    """Colour of a rank, from dark to light."""
    share = rank / max(count - 1, 1)
    mixed = (round(d + share * (li - d)) for d, li in zip(DARK, LIGHT, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)
