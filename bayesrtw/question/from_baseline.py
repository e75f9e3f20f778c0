"""What treatments of a network give where one of them is known: absolute effects from a stated baseline."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from bayesrtw.engine.fitted import Expects
from bayesrtw.errors import SpecError, shown
from bayesrtw.evidence.measure import MEASURES, Measure
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.treatments import treatments_of
from bayesrtw.pictured import Pictured, as_html
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.printed import with_interval
from bayesrtw.question.answer import table_as_html
from bayesrtw.question.asked import About, Subject
from bayesrtw.question.predict import expects
from bayesrtw.question.table import quantiles


@dataclass(frozen=True, slots=True, eq=False)
class AbsoluteEffects(Pictured):
    """Proportions, rates or means of every treatment, from one that is stated.

    Attributes
    ----------
    table
        One row a treatment: ``median, lower, upper`` on the reported scale.
    of
        The treatment whose own number is stated.
    source
        Where that is from.
    measure
        What the numbers are.
    ci_prob
        Probability of the central intervals.
    about
        What was asked.
    """

    table: pd.DataFrame
    of: str
    source: str
    measure: Measure
    ci_prob: float
    about: About

    def _words(self) -> str:
        places = 3 if self.measure.link.name != "identity" else 2
        said = [
            f"{name!s} "
            + with_interval(row["median"], row["lower"], row["upper"], log=False, places=places)
            for name, row in self.table.iterrows()
        ]
        return self.about.said(
            f"{self.measure.title} of each treatment where {self.of} has that of {self.source}, "
            f"{100 * self.ci_prob:g} % intervals: {'; '.join(said)}."
        )

    def _repr_html_(self) -> str:
        """Give the table, for a notebook."""
        tables = [table_as_html(self.table)]
        return as_html("Absolute effects", [self._words()], tables)


def absolute(
    model: Subject | Expects,
    evidence: Evidence | None = None,
    *,
    of: str,
    value: float,
    source: str,
    interval: Sequence[float] = (),
    treatments: Sequence[str] | None = None,
    ci_prob: float = 0.95,
    new: bool = False,
) -> AbsoluteEffects:
    """Give what every treatment of a network comes to where one of them is known.

    Baselines of the studies say nothing of a population: what is stated is used, with its uncertainty, and
    taken for independent of the differences between treatments [1]_.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; a term says what arms consist of.
    of
        The treatment that is known.
    value
        Its proportion, rate or mean, as it is printed.
    source
        Where that is from, e.g. a cohort with its year; it stands beside every result.
    interval
        Both ends of its 95 % interval; nothing where it is taken for certain.
    treatments
        Which; all unless given.
    ci_prob
        Probability of the central intervals.
    new
        Whether effects are those in a new setting, with heterogeneity.

    Returns
    -------
    AbsoluteEffects
        ``table`` on the reported scale.

    Raises
    ------
    SpecError
        If there is no such treatment, no source, or the number is none on its scale; or of a measure whose
        differences are none of one group.

    References
    ----------
    .. [1] Dias S, Welton NJ, Sutton AJ, Ades AE (2013). Med Decis Making 33:657-670.
       doi:10.1177/0272989X13485155

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": ["A", "A", "B", "B"], "arm": ["none", "x", "none", "x"],
    ...                       "events": [30, 45, 28, 40], "n": 100})
    >>> parts = brw.terms.Components(brw.prior.Normal(0, 2), arm="arm", none=("none",))
    >>> arms = brw.terms.Arms(brw.prior.HalfNormal(0.5), baseline=brw.prior.Normal(0, 10))
    >>> found = brw.network.absolute(brw.Model(terms=(parts, arms)), brw.Evidence.from_arms(frame),
    ...                              of="none", value=0.2, source="a register, 2024")
    >>> bool(0.2 < found.table.loc["x", "median"] < 0.4)
    True
    """
    if not source.strip():
        raise SpecError(
            "source is empty: say where the number is from; it stands beside the result."
        )
    whole = expects(model, evidence)
    network = treatments_of(whole.model, whole.evidence)
    one = _measure(whole.evidence)
    middle, sd = _stated(one, value, interval)
    base, order = network.place(of), network.places(treatments)
    columns = np.array([network.difference(each, base) for each in order])
    found = list(whole.mean_at(columns, new=new))
    if base in order:
        # Itself, and nothing more: no difference, not even in a new setting.
        found[order.index(base)] = Kernels(np.ones(1), np.zeros(1), np.zeros(1))
    moved = [own.moved(middle).widened(np.asarray(sd**2)) for own in found]
    levels = np.array([0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2])
    known = [own for own in moved if np.any(own.sd > 0)]
    ends = iter(quantiles(known, levels).T)
    # A number that is certain is its own quantile.
    told = [next(ends) if np.any(own.sd > 0) else np.full(3, own.mean[0]) for own in moved]
    names = pd.Index([network.names[each] for each in order], name="treatment")
    table = pd.DataFrame(one.back(np.array(told)), names, ["median", "lower", "upper"])
    about = About(whole.model, whole.evidence)
    return AbsoluteEffects(table, network.names[base], source.strip(), one, ci_prob, about)


def _measure(evidence: Evidence) -> Measure:
    """Give the measure of one group whose differences the effects are."""
    name = evidence.measure.name
    found = [each for each in MEASURES.values() if each.contrast and each.contrast == name]
    if found:
        return found[0]
    fits = sorted({each.contrast for each in MEASURES.values() if each.contrast})
    raise SpecError(
        f"effects are in {name}; absolute effects follow from {shown(fits)}: pool one of these."
    )


def _stated(one: Measure, value: float, interval: Sequence[float]) -> tuple[float, float]:
    """Give mean and SD of what is stated, on the scale of one group."""
    printed = [value, *interval]
    with np.errstate(divide="ignore", invalid="ignore"):
        numbers = one.forward(printed)
    if len(printed) not in (1, 3) or not np.isfinite(numbers).all():
        raise SpecError(
            f"found value {value!r} with interval {list(interval)!r}; give a {one.title.lower()} as it is "
            "printed, and both ends of its interval or none."
        )
    if len(printed) == 1:
        return float(numbers[0]), 0.0
    middle, low, high = numbers.tolist()
    if not low < middle < high:
        raise SpecError(
            f"found value {value!r} outside its interval {list(interval)!r}; give both as printed."
        )
    return middle, float((high - low) / (2.0 * ndtri(0.975)))
