"""What a term of a model is: a labelled linear contribution to the mean of every estimate."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Finding
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import NormalParts, Prior
from bayesrtw.model.grouped import Grouped, Varying, random_effects
from bayesrtw.model.open_parts import Untold
from bayesrtw.registry import role

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]

#: What a hyperparameter is.
What = Literal[
    "sd of effects",
    "ratio of sds",
    "sd of biases",
    "bias",
    "correlation",
    "correlation of effects",
    "probability",
    "shape",
    "weight",
    "slope",
]


#: What counts once in a mean over moderators.
Counts = Literal["levels", "studies"]

#: Level of what people of one cluster have in common; no column holds it.
CLUSTER = "cluster"

_TITLES: dict[What, str] = {
    "sd of effects": "Heterogeneity τ",
    "ratio of sds": "Log ratio of heterogeneity SDs",
    "sd of biases": "SD of biases",
    "bias": "Bias",
    "correlation": "Correlation ρ of sampling errors",
    "correlation of effects": "Correlation ρ of effects",
    "probability": "Probability",
    "shape": "Shape",
    "weight": "Selection weight ω",
    "slope": "Slope on standard errors",
}


@dataclass(frozen=True, slots=True)
class Hyper:
    """A hyperparameter as the component that has it states it.

    Attributes
    ----------
    prior
        Its prior.
    what
        What it is.
    level
        Column whose equal values share what it is of, e.g. ``study``; empty for each estimate.
    among
        Name of the only rows that it concerns; empty for all.
    setting
        Where its prior stands in the component, e.g. ``tau`` or ``correlation.rho``; empty where it
        cannot be replaced.
    new
        Whether a new setting's effect has it, for an SD of effects.
    """

    prior: Prior
    what: What
    level: str = ""
    among: str = ""
    setting: str = ""
    new: bool = True

    @property
    def on_scale(self) -> bool:
        """Whether it is measured on the analysis scale, as effects are."""
        return self.what in ("sd of effects", "sd of biases", "bias")

    @property
    def spread(self) -> bool:
        """Whether it is a standard deviation."""
        return self.what in ("sd of effects", "sd of biases")

    @property
    def title(self) -> str:
        """What it is in words, without what tells it from its like."""
        if self.level == CLUSTER:
            return "Intracluster correlation"
        return _TITLES[self.what]

    @property
    def which(self) -> str:
        """Words that tell it from others that are the same; empty where nothing does."""
        return _plain(self.among or self.level)


def told_apart(found: Mapping[str, Hyper]) -> dict[str, str]:
    """Give what follows the title of each: of which groups or rows an SD of effects is, if it is said.

    Others are named only where several have one title.
    """
    titles = [each.title for each in found.values()]
    words = [f"{each.title} {each.which}" for each in found.values()]
    brackets = {}
    for name, each in found.items():
        which = each.which if words.count(f"{each.title} {each.which}") == 1 else _plain(name)
        said = which and (each.what == "sd of effects" or titles.count(each.title) > 1)
        brackets[name] = f" ({which})" if said else ""
    return brackets


def _plain(name: str) -> str:
    return name.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Group:
    """Values of a categorical moderator that are treated as one level.

    Parameters
    ----------
    name
        The level.
    members
        The values of the column that belong to it.
    reason
        Why they belong together; registered with the analysis.
    """

    name: str
    members: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Moderator:
    """What moves the pooled mean, as the term that has it states it.

    Attributes
    ----------
    name
        What it is called in results; no other term may use the name.
    column
        Column of the evidence that it reads.
    shape
        ``line``: a line or curve over a numeric column; ``levels``: an effect of each level; ``rows``: the
        difference of marked rows; ``sets``: what arms consist of; ``other``.
    groups
        How values of the column are collapsed to levels.
    values
        Values of the column that mark a row.
    centred
        Whether a line is 0 at the mean of its column over the estimates.
    zero
        Where it is 0 otherwise.
    unit
        What a slope is of: ``unit``, ``SD``, or how many units.
    missing
        Values of the column that say that the level is missing.
    """

    name: str
    column: str
    shape: Literal["line", "levels", "rows", "sets", "other"]
    groups: tuple[Group, ...] = ()
    values: tuple[str, ...] = ()
    centred: bool = False
    zero: float = 0.0
    unit: str = "unit"
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trust:
    """What a term says of how far results of some studies are to be believed."""

    #: Column of the evidence whose values say which studies; empty where they are told otherwise.
    column: str
    name: str = ""  #: What no other term may be called; empty for any.
    #: Whether it has a bias of these studies together that the data tell, as they tell a moderator.
    free: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What of a model a term owns. Rules ask this and never which class a term is.

    Attributes
    ----------
    mean
        Whether it owns the pooled mean ``mu``.
    mean_setting
        Which of its settings is the prior of the pooled mean; empty where none is.
    counts
        What counts once in the pooled mean that is the headline: levels of moderators, or studies.
    mean_alone
        Which of its settings is that prior once the term is taken off, where that is another.
    spread
        Whether it says how effects differ between estimates, or that they do not.
    moderators
        The moderators that it owns.
    modifies
        Moderators of other terms whose effects it says to differ.
    trust
        What it says of biases, if it does: without it the studies are taken at their word.
    scales
        Columns by which it says that the spread of effects differs.
    borrows
        The studies that it turns into the prior of the pooled mean, if it does.
    baselines
        Whether it takes a baseline of each study off rows that are single arms.
    beyond, simpler
        What it has beyond a simpler term that is nested in it, in words, and that term; empty where none is.
    arms
        How it says what arms consist of, if it does.
    leaves_out
        How it keeps some rows out of the pool, if it does.
    needs_independence
        How it says which estimates must have sampling errors of their own, if it does.
    disturbs
        How what it adds to estimates is drawn, where its arrays do not say it.
    """

    mean: bool = False
    mean_setting: str = ""
    counts: Counts = "levels"
    mean_alone: str = ""
    spread: bool = False
    moderators: tuple[Moderator, ...] = ()
    modifies: tuple[Moderator, ...] = ()
    trust: Trust | None = None
    scales: tuple[str, ...] = ()
    borrows: "Borrowing | None" = None
    baselines: bool = False
    beyond: str = ""
    simpler: "Term | None" = None
    arms: "OfArms | None" = None
    leaves_out: "LeavesOut | None" = None
    needs_independence: "NeedsIndependence | None" = None
    disturbs: "Disturbs | None" = None


class Borrowing(Protocol):
    """Studies that are pooled by themselves, and whose prediction is the prior of the others' mean."""

    @property
    def prior(self) -> "Prior":
        """Prior of the mean of those studies."""

    @property
    def tau(self) -> "Prior":
        """Prior of their heterogeneity SD."""

    @property
    def robust(self) -> "Prior":
        """The vague part beside the prediction: a normal."""

    @property
    def weight(self) -> float:
        """Its prior weight."""

    def lent(self, evidence: Evidence) -> NDArray[np.bool_]:
        """Say which rows those studies have, shape (estimate,)."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A contribution A @ b with b independent normal: a few dense columns.

    Attributes
    ----------
    columns
        A, shape (estimate, column).
    mean, precision
        Of b, shape (column,); precision 0 is a flat prior.
    labels
        What is reported of the term, one name a row of `combine`.
    combine
        Shape (label, column): the reported quantities are ``combine @ b``.
    intercept
        Whether the term is the pooled mean itself.
    pooled
        The pooled mean as a combination of its coefficients, shape (column,), where that is another; else
        None.
    levels
        Level of each estimate where the term is categorical, shape (estimate,); else None.
    mixture
        The prior of b where that is a mixture of normals, for a term of one column; its `precision`
        is then 0.
    setting
        Column of the evidence to a value it has in a setting, to that setting's row of A, shape (column,).
        What is not named stays where `mu` has it; SpecError for a value that no row has. None if nobody can
        say.
    sampled
        Whether the prior of b is not normal given anything that is integrated: NUTS alone knows it, and
        `precision` is only near.
    unreported
        Estimates whose level is missing, with their alternatives; `columns` then hold their mean row.
        None where every estimate reports its own.
    uncertain
        SD of the value in the one column of the term, whose mean stands there, shape (estimate,): 0 where the
        value is reported. None where all are.
    """

    columns: Array
    mean: Array
    precision: Array
    labels: tuple[str, ...]
    combine: Array
    intercept: bool = False
    pooled: Array | None = None
    levels: NDArray[np.object_] | None = None
    mixture: NormalParts | None = None
    setting: Callable[[Mapping[str, object]], Array] | None = None
    sampled: bool = False
    unreported: Untold | None = None
    uncertain: Array | None = None


@dataclass(frozen=True, slots=True)
class Carried:
    """A hyperparameter that acts on estimates, each with a factor of its own."""

    name: str  #: The hyperparameter.
    factor: Array  #: Shape (estimate,).


@dataclass(frozen=True, slots=True)
class Noise:
    """What stands between an estimate and its study's effect, besides sampling error.

    y = theta + b + e with e ~ N(0, s^2 / share), b ~ N(mean + common + shift, variance + scatter^2).
    None of it belongs to theta.
    """

    #: mean, variance: of the part that is known, shape (estimate,), analysis scale.
    mean: Array
    variance: Array
    share: Array  #: Share of its information that an estimate keeps, in (0, 1], shape (estimate,).
    common: Fixed | None = None  #: Coefficients that biases share, with their priors.
    scatter: tuple[Carried, ...] = ()  #: Standard deviations of biases that are hyperparameters.
    shift: tuple[Carried, ...] = ()  #: Biases that are hyperparameters.


@dataclass(frozen=True, slots=True, eq=False)
class AtRisk:
    """Estimates with a bias that each of them has or has not."""

    name: str  #: What the group is called in results.
    rows: NDArray[np.intp]  #: Which estimates, shape (row,).
    #: Class of each of them, shape (row,): estimates of a class share a probability of bias.
    of_class: NDArray[np.intp]
    #: Parameters (a, b) of the beta prior of each class's probability.
    chances: tuple[tuple[float, float], ...]
    #: mean, sd: of the normal prior of the biases' mean, analysis scale.
    mean: float
    sd: float
    spread: Prior  #: Prior of the SD of biases around it.


@dataclass(frozen=True, slots=True, eq=False)
class MaybeBiased:
    """A contribution of biases that estimates have or have not; groups share no estimate."""

    groups: tuple[AtRisk, ...]


#: What a term gives as arrays; random effects at several levels are several of them.
type Part = Fixed | Grouped | Noise | MaybeBiased


@dataclass(frozen=True, slots=True)
class TermArrays:
    """What a term gives as arrays, by what it is; nothing of the other kinds."""

    fixed: Fixed | None = None  #: Its columns.
    grouped: tuple[Grouped, ...] = ()  #: Its random effects, at several levels several.
    noise: Noise | None = None  #: What it puts between estimates and effects.
    #: Biases that estimates have or have not; None where it is no term of such, whether or not any row is.
    risks: tuple[AtRisk, ...] | None = None
    said: bool = True  #: Whether it gives arrays at all, and not its PyMC twin alone.

    @property
    def sampled(self) -> bool:
        """Whether it is known to NUTS only."""
        return not self.said or (self.fixed is not None and self.fixed.sampled)

    @property
    def unreported(self) -> Untold | None:
        """Estimates whose level is missing."""
        return None if self.fixed is None else self.fixed.unreported

    @property
    def uncertain(self) -> Array | None:
        """SDs of the values of a numeric column that are missing."""
        return None if self.fixed is None else self.fixed.uncertain

    @property
    def shared(self) -> Fixed | None:
        """Coefficients that biases share."""
        return None if self.noise is None else self.noise.common


def given(term: "Term", evidence: Evidence) -> TermArrays:
    """Ask a term for its arrays."""
    part = term.gaussian(evidence)
    if isinstance(part, Fixed):
        return TermArrays(fixed=part)
    if isinstance(part, Noise):
        return TermArrays(noise=part)
    if isinstance(part, MaybeBiased):
        return TermArrays(risks=part.groups)
    return TermArrays(grouped=random_effects([part]), said=part is not None)


class Allocation(NamedTuple):
    """Normals that an estimate is one of, inside a PyMC model: with a bias or without, of this level or that.

    Attributes
    ----------
    rows
        Which estimates, shape (row,).
    weight
        Probability of each normal, shape (row, part).
    shift, spread
        What each adds to the mean, and the SD that it adds, shape (row, part).
    of_effects
        Whether what is added belongs to the effect; a bias does not.
    """

    rows: NDArray[np.intp]
    weight: "TensorVariable"
    shift: "TensorVariable"
    spread: "TensorVariable"
    of_effects: bool = False


class Contribution(NamedTuple):
    """A term inside a PyMC model.

    Attributes
    ----------
    eta
        Its part of the effects.
    reported
        What is reported of it, or None.
    bias
        What it adds to the estimates and not to the effects, or None.
    allocation
        Estimates that are one of several normals, or None.
    varying
        Normal effects that belong to the effects, or to the biases if the term has `bias`.
    """

    eta: "TensorVariable"
    reported: "TensorVariable | None"
    bias: "TensorVariable | None" = None
    allocation: Allocation | None = None
    varying: tuple[Varying, ...] = ()


@role("term", "bayesrtw.terms")
class Term(Protocol):
    """What every term offers."""

    @property
    def facts(self) -> Facts:
        """What of the model it owns."""

    def faults(self, evidence: Evidence) -> list[str]:
        """Say what the evidence lacks for this term; empty if it can be used."""

    def findings(self, evidence: Evidence) -> list[Finding]:
        """Say what a reader must know of this term with this evidence."""

    def hyper(self) -> Mapping[str, Hyper]:
        """Give the scalar hyperparameters by name: what each is, and its prior."""

    def gaussian(self, evidence: Evidence) -> Part | tuple[Grouped, ...] | None:
        """Give the contribution as arrays; None if only its PyMC twin can say what it is."""

    def pymc(self, evidence: Evidence) -> Contribution:
        """Add the term to the PyMC model in context."""


class NeedsIndependence(Protocol):
    """A term some of whose estimates must have sampling errors of their own."""

    def entangled(self, evidence: Evidence, together: Sequence[NDArray[np.intp]]) -> list[str]:
        """Name those among rows whose sampling errors are correlated, as faults."""


class OfArms(Protocol):
    """A term that says what arms consist of, so that an effect is the difference of two of them."""

    def arms(
        self, evidence: Evidence
    ) -> tuple[list[Mapping[str, float]], list[Mapping[str, float]]]:
        """Give what both arms of every row consist of, with doses; nothing where a row has one arm."""

    def open(
        self, evidence: Evidence
    ) -> tuple[list[Mapping[str, float]], list[Mapping[str, float]]]:
        """Give what both arms of every row may have and nobody tells."""

    def row(self, doses: Mapping[str, float], evidence: Evidence) -> Array:
        """Give what an arm adds up of the term's coefficients, shape (column,)."""

    def called(self, evidence: Evidence) -> Mapping[frozenset[tuple[str, float]], str]:
        """Name every arm that occurs, by what it consists of, in the order of the rows."""


class LeavesOut(Protocol):
    """A term that keeps some rows out of the pool."""

    def left_out(self, evidence: Evidence) -> NDArray[np.bool_]:
        """Mark them, shape (estimate,); nowhere where the rows are at fault."""


class Disturbs(Protocol):
    """A term that says itself how what it adds to estimates is drawn."""

    def draw(self, evidence: Evidence, replicates: int, rng: np.random.Generator) -> Array:
        """Draw what it adds to estimates and not to effects, shape (replicate, estimate)."""
