"""The tipping points of a result: shifts of effects, and priors of the mean, that change the answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesrtw.analysis.conclusion import Rules, classify, stated
from bayesrtw.analysis.outlook import rules_of
from bayesrtw.engine.fitted import Fitted
from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.pictured import Drawing, Pictured, as_html
from bayesrtw.question.answer import table_as_html
from bayesrtw.question.asked import Subject, about, asked
from bayesrtw.question.tipping import LEVELS, shift_curve, tip_prior, tip_shifts

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]

#: Points of a curve, an odd number so that no shift is one; how far it goes beyond the crossings, so that the
#: nearest one of every group is seen; and how far, in median standard errors, where there is no crossing.
POINTS, BEYOND, BLIND = 25, 1.2, 2.0

#: What the group of all rows is called.
ALL = "all"


@dataclass(frozen=True, slots=True, eq=False)
class Tipping(Pictured):
    """How little would change an answer.

    Attributes
    ----------
    shifts
        One row a group of estimates and a level, as `bayesrtw.question.tipping.tipping_shift` gives it: the
        smallest common shift of their effects (analysis scale) at which P(benefit) crosses the level.
    prior
        Rows ``registered``, ``narrower`` and ``wider``, as `bayesrtw.question.tipping.tipping_prior` gives
        them: the SD of a prior of the mean, centred at no effect, at which the class of the conclusion
        changes. None where the mean has no normal prior, or no direction of benefit is stated: see `notes`.
    notes
        What could not be asked, and why.
    whole
        The fit that was asked.
    groups
        Group to the rows that are shifted, shape (estimate,).
    threshold
        Size of an effect beyond which benefit counts, analysis scale.
    """

    shifts: "pd.DataFrame"
    prior: "pd.DataFrame | None"
    notes: tuple[str, ...]
    whole: Fitted
    groups: Mapping[str, Mask]
    threshold: float

    @property
    def curves(self) -> "pd.DataFrame":
        """P(benefit) over shifts of each group; worked out when asked for.

        Returns
        -------
        DataFrame
            ``x``, the shift (analysis scale), ``probability`` and ``design``, the group.
        """
        import pandas as pd  # noqa: PLC0415

        near = self.shifts["shift"].abs().groupby(level="group").min().max()
        blind = BLIND * float(np.nanmedian(self.whole.evidence.data["se"].to_numpy()))
        reach = BEYOND * float(near) if np.isfinite(near) else blind
        # Denser near no shift, where curves are steepest; and the crossings themselves.
        share = np.linspace(-1.0, 1.0, POINTS)
        parts = []
        for name, rows in self.groups.items():
            own = self.shifts.xs(name, level="group")["shift"].to_numpy(dtype=np.float64)
            at = np.unique([*(reach * share * np.abs(share)), *own[np.abs(own) <= reach]])
            chance = shift_curve(self.whole, None, rows, at.tolist(), threshold=self.threshold)
            parts.append(pd.DataFrame({"x": at, "probability": chance, "design": name}))
        return pd.concat(parts)

    def _pictures(self) -> Mapping[str, Drawing | str]:
        levels = tuple(float(level) for level in self.shifts.index.unique("level"))
        title = f"Shift of the effects, {self.whole.evidence.measure.name.replace('_', ' ')}"
        options = {"x_title": title, "thresholds": levels}
        return {"tipping": Drawing((self.curves, about(self.whole)), options)}

    def _words(self) -> str:
        said = []
        event = self.whole.evidence.direction.event
        for group in self.groups:
            own = self.shifts.xs(group, level="group")
            crossed = ", ".join(
                f"{level:g} at {row['shift']:+.3g}" if not row["note"] else f"{level:g} nowhere"
                for level, row in own.iterrows()
            )
            said.append(
                f"{event} is {own['now'].iloc[0]:.3f}; with the effects of {group} shifted it crosses "
                f"{crossed}."
            )
        if self.prior is not None:
            for where, row in self.prior.iloc[1:].iterrows():
                end = row["note"] or f"an SD of {row['prior_sd']:.3g} gives {row['conclusion']!r}"
                said.append(f"A {where} prior of the mean: {end}.")
        return " ".join((*said, *self.notes))

    def _repr_html_(self) -> str:
        """Give the tables with what they say, for a notebook."""
        tables = [table_as_html(each) for each in (self.shifts, self.prior) if each is not None]
        return as_html("Tipping points", [self._words()], tables)


def tipping(
    model: Subject,
    evidence: Evidence | None = None,
    rules: Rules | None = None,
    *,
    groups: Mapping[str, Mask] | None = None,
    levels: Sequence[float] = LEVELS,
) -> Tipping:
    """Find how little would change the answer: shifted effects, and another prior of the mean.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; the model has a pooled mean.
    rules
        Classes of the conclusion and the threshold of benefit; those of a synthesis are its own, else the
        default ones unless given.
    groups
        Name to the rows whose effects are shifted together, shape (estimate,); all rows, and those of each
        design where there are several, unless given.
    levels
        Probabilities of benefit whose crossing is looked for, in (0, 1).

    Returns
    -------
    Tipping
        Tables of shifts and of priors; it draws P(benefit) over the shifts.

    Raises
    ------
    SpecError
        If the model has no pooled mean, a level is not in (0, 1), or effects describe a single group.
    EngineRefusal
        If the model gives no neighbours; the message says what stands in the way.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> found = brw.tipping(brw.run(brw.open_analysis("time-to-rtw")))
    >>> shift = found.shifts.loc[("all", 0.5), "shift"]  # towards no effect
    >>> bool(-0.2 < shift < 0)
    True
    """
    odd = [level for level in levels if not 0 < level < 1]
    if odd or not levels:
        raise SpecError(f"levels are probabilities in (0, 1); found {list(levels)!r}.")
    whole, rules = asked(model, evidence), rules_of(model, rules)
    direction = whole.evidence.direction
    if not direction.event:
        raise SpecError(
            f"{whole.evidence.measure.title.lower()} describes a single group, so there is no probability of "
            "benefit that could tip; give effects of one group against another."
        )
    chosen = groups_of(whole.evidence) if groups is None else groups
    shifts = tip_shifts(whole, chosen, levels=levels, threshold=rules.threshold)
    prior, notes = None, []
    try:
        stated(direction.benefit)
        prior = tip_prior(whole, classes(rules), rules.threshold)
    except SpecError as error:
        notes.append(f"Priors of the mean are not asked: {error}")
    return Tipping(shifts, prior, tuple(notes), whole, chosen, rules.threshold)


def classes(rules: Rules) -> Callable[[float, float], str]:
    """Give what puts probabilities of benefit and harm into a class."""

    def words(benefit: float, harm: float) -> str:
        return classify(rules, benefit, harm)

    return words


def groups_of(rows: Evidence) -> dict[str, Mask]:
    """Give the rows that are shifted together: all, and those of each design where there are several."""
    groups = {ALL: np.ones(rows.size, dtype=bool)}
    if "design" in rows.data:
        designs = rows.data["design"].to_numpy().astype(str)
        kinds = list(dict.fromkeys(designs.tolist()))
        if len(kinds) > 1:
            groups |= {f"design {kind}": designs == kind for kind in kinds if kind}
    return groups
