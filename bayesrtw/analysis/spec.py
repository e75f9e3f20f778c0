"""An analysis: evidence, a model and questions, read from one TOML file and hashed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from bayesrtw.analysis.conclusion import Rules
from bayesrtw.analysis.look import ForestOptions
from bayesrtw.bounded import toml_of
from bayesrtw.decision.stated import Decision
from bayesrtw.engine import Engine
from bayesrtw.engine.exact import Exact  # noqa: F401 - registers the engine's kind
from bayesrtw.engine.nuts import Nuts  # noqa: F401 - the same
from bayesrtw.errors import Faults, SpecError, shown
from bayesrtw.evidence.measure import MEASURES, of_ratio
from bayesrtw.model import (  # noqa: F401 - the same
    arm_effects,
    beta_binomial,
    bias,
    bias_mixture,
    binomial,
    borrow,
    components,
    correlation_prior,
    heterogeneity,
    hypergeometric,
    interaction,
    judged,
    location_scale,
    mixture_prior,
    moderator,
    multivariate,
    prior,
    reference_prior,
    shrinkage,
    single,
    small_study,
    spline,
    step_weights,
    student_t,
)
from bayesrtw.model.likelihood import Likelihood, NormalErrors
from bayesrtw.model.return_to_work import MEASURE as ONE_SCALE
from bayesrtw.model.selection import Selection
from bayesrtw.model.spec import NEW, Model
from bayesrtw.model.term import Term
from bayesrtw.posterior.summarise import IntervalKind
from bayesrtw.question.ladder import Rungs
from bayesrtw.question.predict import setting_in_words
from bayesrtw.registry import checked, decode, digest, encode, suggestion

#: Version of the layout of analysis files.
SCHEMA = 1

#: What an analysis may be called: its name is a file's stem and a folder of results.
ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")

#: What may be asked for at values of moderators.
SETTLED = (*NEW, *NEW.values())

#: Seeds end here, so that every file format can hold them.
MOST_SEED = 2**63


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Rows that are left out on purpose.

    Parameters
    ----------
    column
        A column of the evidence.
    values
        Its values that are left out.
    reason
        Why; printed with the result.
    """

    column: str
    values: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Between:
    """A range of a numeric column.

    Parameters
    ----------
    column
        A numeric column of the evidence.
    low, high
        Ends, both included.
    empty
        Whether rows with an empty cell are kept.
    """

    column: str
    low: float
    high: float
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Assumed:
    """A correlation of sampling errors that an analysis assumes where reports do not give it.

    Parameters
    ----------
    rho
        Correlation of two estimates of the same people, in [0, 1).
    reason
        Where it comes from; printed with the result.
    by
        Column whose equal values mark the same people.
    months, decay
        With a column of follow-up times the correlation is ``rho ** (|difference| / decay)``; decay in
        months, > 0.
    """

    rho: float
    reason: str
    by: str = "study"
    months: str = ""
    decay: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.rho < 1:
            raise SpecError(f"rho must be at least 0 and below 1; found {self.rho!r}.")
        if not self.decay > 0:
            raise SpecError(f"decay must be positive; found {self.decay!r}.")


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows of which data set an analysis pools.

    Parameters
    ----------
    dataset
        Id of a data set.
    measure
        The one measure to pool; rows in others are left out and named.
    where
        Column to the values that are wanted.
    between
        Ranges of numeric columns.
    exclude
        Rows that are left out, with reasons.
    shared_groups
        Whether estimates that share a control or treated group get the covariance that it brings
        (`bayesrtw.evidence.dependence.shared_groups`); otherwise they count as independent.
    correlated
        Correlation of the sampling errors of other estimates of the same people, such as a study's outcomes;
        None takes them for independent. The panel tries others.
    one_scale
        Whether rows of several measures become one row a study and comparison, in the currencies of return to
        work (`bayesrtw.currencies.on_one_scale`), for the likelihood ``return_to_work``.
    """

    dataset: str
    measure: str
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    between: tuple[Between, ...] = ()
    exclude: tuple[Exclusion, ...] = ()
    shared_groups: bool = False
    correlated: Assumed | None = None
    one_scale: bool = False

    def __post_init__(self) -> None:
        if self.one_scale and self.measure != ONE_SCALE:
            raise SpecError(
                f"measure is {self.measure!r} with one_scale = true, which makes log hazard ratios: give "
                f"measure = {ONE_SCALE!r}."
            )
        if self.measure not in MEASURES:
            raise SpecError(
                f"measure is {self.measure!r}; {suggestion(self.measure, list(MEASURES))}"
            )
        empty = sorted(column for column, values in self.where.items() if not values)
        if empty:
            raise SpecError(f"where asks {shown(empty)} for no value; name at least one.")


@dataclass(frozen=True, slots=True)
class Estimand:
    """A question to the posterior.

    Parameters
    ----------
    name
        What the answer is called.
    of
        The quantity: ``mu``, ``theta_new``, ``tau``, ``beta[...]``, ``mu_level[...]``, ``theta[...]``.
    at
        Column of a moderator to the value at which ``mu``, ``mu_studies``, ``theta_new`` or
        ``theta_new_studies`` is asked for; moderators that are not named stay where that quantity has them.
    above, below
        Threshold on the analysis scale whose probability is reported; at most one. Without any,
        the probability is that of benefit, beyond no effect.
    above_ratio, below_ratio
        The same as a ratio, for effects that are reported as ratios: ``below_ratio = 0.8``.
    ci_prob
        Probability of the interval.
    ci_kind
        ``"eti"``, equal-tailed, or ``"hdi"``, the shortest on the analysis scale.
    """

    name: str
    of: str
    above: float | None = None
    below: float | None = None
    ci_prob: float = 0.95
    ci_kind: IntervalKind = "eti"
    at: Mapping[str, str | float] = field(default_factory=dict)
    above_ratio: float | None = None
    below_ratio: float | None = None

    def __post_init__(self) -> None:
        stated = [
            name
            for name in ("above", "below", "above_ratio", "below_ratio")
            if getattr(self, name) is not None
        ]
        if len(stated) > 1:
            raise SpecError(f"{shown(stated)} are given; a question has one threshold.")
        for name in stated:
            if name.endswith("_ratio"):
                of_ratio(getattr(self, name), name)
        if not 0 < self.ci_prob < 1:
            raise SpecError(f"ci_prob must lie in (0, 1); found {self.ci_prob!r}.")
        if self.at and self.of not in SETTLED:
            raise SpecError(
                f"estimand {self.name!r} asks for {self.of!r} at values of moderators; {shown(SETTLED)} can "
                "be asked so."
            )

    @property
    def quantity(self) -> str:
        """What is asked for, in one word that no other quantity has."""
        return f"{self.of} at {setting_in_words(self.at)}" if self.at else self.of

    @property
    def beyond(self) -> tuple[bool, float] | None:
        """Whether what is above counts, and above or below which effect; None without a threshold."""
        for above, effect, ratio in (
            (True, self.above, self.above_ratio),
            (False, self.below, self.below_ratio),
        ):
            if ratio is not None:
                return above, of_ratio(ratio, "above_ratio" if above else "below_ratio")
            if effect is not None:
                return above, effect
        return None

    def which(self, model: Model) -> str:
        """Say at which values, and which of two means or new settings it is; empty where there is one."""
        left = {each.column for each in model.moderators} - self.at.keys()
        which = model.which(self.of) if left else ""
        sets = [each.column for each in model.moderators if each.shape == "sets"]
        at = {name: value for name, value in self.at.items() if name not in sets}
        arms = " against ".join(
            str(self.at[name]).replace("_", " ") for name in sets if name in self.at
        )
        told = (arms, at and f"at {setting_in_words(at)}", which)
        return "; ".join(part for part in told if part)


@dataclass(frozen=True, slots=True)
class Variant:
    """The same analysis with some settings changed, to show what they matter.

    Parameters
    ----------
    name
        What it is called in tables.
    set
        Path of a setting to its new value, e.g. ``"term.exchangeable.tau.scale" = 0.5``.
    """

    name: str
    set: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the analysis is due again.

    Parameters
    ----------
    every_days
        Days after which it is stale even if nothing has changed.
    """

    every_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Living:
    """What counts as news when the analysis is run again.

    Parameters
    ----------
    tolerance
        Changes of means and widths up to this, on the analysis scale, are not news; changes below the
        numerical error never are.
    surprise
        A new result whose two-sided predictive tail probability is below this is called surprising.
    """

    tolerance: float = 0.0
    surprise: float = 0.01

    def __post_init__(self) -> None:
        if not self.tolerance >= 0:
            raise SpecError(f"tolerance must be at least 0; found {self.tolerance!r}.")
        if not 0 < self.surprise < 1:
            raise SpecError(f"surprise must lie in (0, 1); found {self.surprise!r}.")


@checked
@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """A question fixed before the fit.

    Parameters
    ----------
    id, title, question
        Name (the file's stem), heading, and the question in one sentence.
    registered, revision
        Date of registration and number of the revision; a change of anything else raises it. An
        analysis without a date is not registered, and its results say so.
    seed
        Seed of every draw.
    evidence
        Which rows are pooled.
    term
        The model's terms.
    likelihood
        How estimates scatter; normal unless given.
    selection
        How probable it is that a result is seen; None where all are.
    engine
        None: exact where it can, NUTS where it must.
    estimand
        Questions; without any, the pooled mean.
    variant
        Sensitivity variants.
    rationale
        Why these rows, terms and priors: one sentence each, printed with the result.
    schedule
        When it is due again.
    conclusion
        How probabilities become a conclusion.
    living
        What counts as news when it is run again.
    ladder
        How trials and non-randomised studies are pooled under one assumption after another, and
        which of them decides.
    decision
        What those who decide state before the fit: the baseline, and where effects begin to matter.
    columns
        What headings of a flat table are, such as ``yi = "effect"``, where the evidence is one: heading
        to a name of this package, as ``--columns`` states them.
    report
        How the forest plots of its report look; no number hangs on it, and the digest does not count it.
    schema
        Version of the file's layout.
    """

    id: str
    title: str
    question: str
    evidence: Query
    term: tuple[Term, ...]
    seed: int
    registered: date | None = None
    revision: int = 0
    likelihood: Likelihood = field(default_factory=NormalErrors)
    selection: Selection | None = None
    engine: Engine | None = None
    estimand: tuple[Estimand, ...] = (Estimand("pooled", "mu"),)
    variant: tuple[Variant, ...] = ()
    rationale: tuple[str, ...] = ()
    schedule: Schedule | None = None
    conclusion: Rules = field(default_factory=Rules)
    living: Living = field(default_factory=Living)
    ladder: Rungs = field(default_factory=Rungs)
    decision: Decision = field(default_factory=Decision)
    columns: Mapping[str, str] = field(default_factory=dict)
    report: ForestOptions = field(default_factory=ForestOptions)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise SpecError(f"schema is {self.schema!r}; this version reads schema {SCHEMA}.")
        if not ID.fullmatch(self.id):
            raise SpecError(
                f"id is {self.id!r}; use 1 to 100 lower-case letters, digits, dots, dashes and "
                "underscores, a letter or digit first."
            )
        if not 0 <= self.seed < MOST_SEED:
            raise SpecError(f"seed must be at least 0 and below 2^63; found {self.seed!r}.")
        if not self.estimand:
            raise SpecError("estimand is an empty list; ask at least one question.")
        for what, names in (
            ("estimand", [estimand.name for estimand in self.estimand]),
            ("variant", [variant.name for variant in self.variant]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise SpecError(f"{what} {shown(twice)} stands twice; give each a name of its own.")
        assert self.model
        measure = MEASURES[self.evidence.measure]
        ratios = [each.name for each in self.estimand if each.above_ratio or each.below_ratio]
        if ratios and not measure.ratio:
            raise SpecError(
                f"estimand {shown(ratios)} has a threshold that is a ratio, and {measure.name} is no "
                "logarithm of one; state above or below."
            )
        if self.conclusion.threshold_ratio is not None and not measure.ratio:
            raise SpecError(
                f"conclusion.threshold_ratio is {self.conclusion.threshold_ratio!r}, and {measure.name} is "
                "no logarithm of a ratio; state threshold."
            )
        self.decision.check(measure)

    @property
    def model(self) -> Model:
        """The terms seen through the likelihood, thinned by the selection."""
        return Model(terms=self.term, likelihood=self.likelihood, selection=self.selection)

    @property
    def reads(self) -> dict[str, Any]:
        """How flat tables are read: headings, and whether arms stay rows, in the measure of two of them."""
        arms = any(term.facts.baselines for term in self.term)
        measure = self.evidence.measure if arms else ""
        return {"columns": self.columns, "arms": arms, "measure": measure}

    @property
    def digest(self) -> str:
        """SHA-256 of every setting; layout, looks, comments and key order of the file do not count."""
        return digest(replace(self, report=ForestOptions()))


def parse(text: str, where: str) -> Analysis:
    """Read an analysis from TOML text."""
    try:
        table = toml_of(text)
    except ValueError as error:
        raise SpecError(f"{where}: is not TOML: {error}.") from None
    found = _decoded(table, where)
    faults = Faults(SpecError)
    for variant in found.variant:
        try:
            vary(found, variant)
        except SpecError as error:
            faults.add(str(error))
    faults.raise_if_any()
    return found


def _decoded(table: Mapping[str, Any], where: str) -> Analysis:
    faults = Faults(SpecError)
    found = decode(Analysis, table, where=where, faults=faults)
    faults.raise_if_any()
    if found is None:
        faults.stop()
    return found


def vary(analysis: Analysis, variant: Variant) -> Analysis:
    """Apply a variant's settings."""
    table = encode(analysis)
    where = f"{analysis.id}: variant {variant.name!r}"
    for path, value in variant.set.items():
        keys = path.split(".")
        spot: Any = table
        for key in keys[:-1]:
            spot = _child(spot, key, f"{where}: {path}")
        if isinstance(spot, list):
            spot[_place(spot, keys[-1], f"{where}: {path}")] = encode(value)
        elif isinstance(spot, dict):
            spot[keys[-1]] = encode(value)
        else:
            raise SpecError(
                f"{where}: {path} leads nowhere: {'.'.join(keys[:-1])} has no settings."
            )
    table["variant"] = []
    return _decoded(table, where)


def _child(spot: Any, key: str, where: str) -> Any:
    if isinstance(spot, list):
        return spot[_place(spot, key, where)]
    if isinstance(spot, dict) and key in spot:
        return spot[key]
    if not isinstance(spot, dict):
        raise SpecError(f"{where} leads nowhere at {key!r}: what stands before has no settings.")
    hint = suggestion(key, list(spot))
    raise SpecError(f"{where} leads nowhere at {key!r}; {hint} Quote the whole path in TOML.")


def _place(items: list[Any], key: str, where: str) -> int:
    """Find an item of a list by its kind, its column, its name or its place from 0."""
    names = [
        [str(item.get(field)) for field in ("kind", "column", "name") if field in item]
        if isinstance(item, dict)
        else [str(item)]
        for item in items
    ]
    fitting = [place for place, own in enumerate(names) if key in own]
    if len(fitting) == 1:
        return fitting[0]
    if key.isdecimal() and int(key) < len(items):
        return int(key)
    what = "is ambiguous" if fitting else "leads nowhere"
    choices = [name for own in names for name in own]
    raise SpecError(f"{where} {what} at {key!r}; {suggestion(key, choices)}")
