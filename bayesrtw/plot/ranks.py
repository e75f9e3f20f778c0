"""The distribution of the ranks of treatments: for each the probability of being best, second and so on.

arviz-plots has no such picture. Shades go from dark for the best rank to light for the last, so that grey
print is enough; a probability stands where it has room.
"""

from functools import partial

from bayesrtw.plot.bars import NAME_SHARE, BarPart, bars
from bayesrtw.plot.figure import INK
from bayesrtw.plot.frame import Frame, Tailored, draw_tailored
from bayesrtw.plot.lettering import one_line, shorten, type_for
from bayesrtw.plot.strip import Sample
from bayesrtw.plot.subject import subject_of
from bayesrtw.plot.verbs import verbs
from bayesrtw.printed import spell_probability
from bayesrtw.question.ranking import Ranks

#: Height of a row in points.
ROW = 17.0

#: Ends of the shades, dark and light, as red, green and blue; and the shade from which type is white.
DARK, LIGHT, WHITE_BELOW = (0, 78, 124), (224, 238, 248), 0.45

#: Ranks that the legend names one by one; of more the first and the last.
MOST_NAMED = 7


def _tailored(ranks: Ranks) -> Tailored:
    """Draw the distribution of ranks, one bar a treatment, the best mean rank first.

    Parameters
    ----------
    ranks
        What `bayesrtw.network.ranks` returned.

    Returns
    -------
    Tailored
        Across probability, downwards the number of the treatment by its mean rank, from 0.
    """
    return Tailored(ranks.describe(), partial(_laid, ranks))


def _laid(ranks: Ranks, room: float) -> Frame:
    """Lay bars out for a width."""
    table = ranks.table.sort_values("mean", kind="stable")
    spread = ranks.distribution.loc[table.index].to_numpy()
    count = len(table)
    face = type_for(room).body
    names = [shorten(one_line(str(name)), NAME_SHARE * room, face) for name in table.index]
    named = range(count) if count <= MOST_NAMED else (0, count - 1)
    error = float(ranks.error.to_numpy().max())
    how = f"Monte Carlo standard errors up to {error:.2g}." if error else "Exact."
    inks = ["white" if rank / max(count - 1, 1) < WHITE_BELOW else INK for rank in range(count)]
    every = [
        [
            BarPart(
                share,
                _shade(rank, count),
                ink,
                spell_probability(share),
                f"{name}: rank {rank + 1}",
            )
            for rank, (share, ink) in enumerate(zip(shares, inks, strict=True))
        ]
        for name, shares in zip(names, spread.tolist(), strict=True)
    ]
    return bars(
        "Ranks",
        ranks.describe(),
        "Probability of the rank",
        names,
        every,
        room=room,
        row=ROW,
        legend=((Sample(_shade(rank, count), area=True), _called(rank, count)) for rank in named),
        notes=(f"By mean rank. {how}",),
        caveat=subject_of(ranks.about).caveat,
    )


def _called(rank: int, count: int) -> str:
    return "best" if rank == 0 else "last" if rank == count - 1 else f"rank {rank + 1}"


def _shade(rank: int, count: int) -> str:
    """Colour of a rank, from dark to light."""
    share = rank / max(count - 1, 1)
    mixed = (round(d + share * (li - d)) for d, li in zip(DARK, LIGHT, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


plot_ranks, describe_ranks = verbs(_tailored, draw_tailored, width_mm=84.0)
