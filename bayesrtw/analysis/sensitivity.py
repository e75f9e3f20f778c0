"""The sensitivity panel of an analysis, and how robust its conclusion is, in one line."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import ndtri

from bayesrtw.analysis.conclusion import Rules, classify, sceptical_model
from bayesrtw.analysis.outlook import look_out
from bayesrtw.analysis.query import selected
from bayesrtw.analysis.run import Synthesis, asked_of
from bayesrtw.analysis.spec import Analysis, vary
from bayesrtw.analysis.tipping import classes, groups_of
from bayesrtw.dims import ESTIMATE
from bayesrtw.engine import choose, fit, solve
from bayesrtw.engine.exact import Exact
from bayesrtw.engine.fitted import Fitted
from bayesrtw.errors import ConvergenceError, EngineRefusal, EvidenceError, SpecError
from bayesrtw.evidence.measure import Measure
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import normal
from bayesrtw.model.defaults import review_group
from bayesrtw.model.prior import Normal, Prior
from bayesrtw.model.published import panel
from bayesrtw.model.spec import Model
from bayesrtw.parallel import map_tasks
from bayesrtw.pictured import Drawing, Pictured, as_html
from bayesrtw.posterior.summarise import probability_beyond, summarise
from bayesrtw.printed import BENEFIT, Direction, figure, spell_chance, spell_probability
from bayesrtw.question.answer import table_as_html
from bayesrtw.question.asked import About
from bayesrtw.question.compare import against, comparable, submodels
from bayesrtw.question.influence import measured
from bayesrtw.question.predictive import predictive_check
from bayesrtw.question.scaling import learned_of, power_scaling_of
from bayesrtw.question.sensitivity import (
    EachLeftOut,
    correlation_sweep,
    cumulative,
    leave_out,
    moved,
    vary_prior,
)
from bayesrtw.question.table import FIGURES
from bayesrtw.question.tipping import Sides, fewest_removed, tip_prior, tip_shifts

if TYPE_CHECKING:
    import pandas as pd

#: Prior SDs of the pooled mean that are tried, as multiples of the registered one.
MEAN_SCALES = (0.2, 0.4, 1.0, 2.0, 10.0)

#: Correlations that are assumed between estimates of the same study.
CORRELATIONS = (0.2, 0.5, 0.8)

#: Rows that are the registered result itself and no specification.
WHOLE: Final = "none left out"
REGISTERED = frozenset({WHOLE, "registered"})

#: Columns that are read as a result: they make a table one of specifications.
RESULT = ("median", "lower", "upper", "probability")


@dataclass(frozen=True, slots=True)
class Panel(Pictured):
    """A result under everything that was tried.

    Attributes
    ----------
    tables
        Heading to table of specifications and history; every table has ``median, lower, upper,
        probability`` (of benefit beyond the registered threshold; where nobody stated which effects
        are good, of one above it) on the analysis scale.
    robustness
        One sentence: the share of specifications with the registered conclusion, and what breaks it.
    caveat
        What must stand beside every result of the evidence.
    questions
        Heading to table of another shape: influence, power scaling, what was learned, tipping points,
        moderators. Not counted.
    about
        The model and the rows of the registered result.
    notes
        What was left out of the panel, and why.
    event
        The event whose probability the tables hold; empty for a measure of a single group.
    left
        The fit of all rows and those without each study, for further questions.
    """

    tables: "dict[str, pd.DataFrame]"
    robustness: str
    caveat: str
    questions: "dict[str, pd.DataFrame]"
    about: About
    notes: tuple[str, ...] = ()
    event: str = BENEFIT
    left: EachLeftOut | None = field(default=None, repr=False, compare=False)

    def _pictures(self) -> Mapping[str, Drawing | str]:
        """See `Pictured`: every specification, and the tables that have pictures of their own."""
        found: dict[str, Drawing | str] = {"specification_curve": Drawing((self, self.about))}
        for kind, heading in (
            ("leave_one_out", STUDIES),
            ("cumulative", HISTORY),
            ("prior_panel", PRIORS),
        ):
            found[kind] = f"the panel has no table {heading!r}"
            if heading in self.tables:
                found[kind] = Drawing((self.tables[heading], self.about))
        return found

    def _repr_html_(self) -> str:
        """Give the line of robustness and the tables, for a notebook."""
        tables = [
            as_html(heading, [], [table_as_html(table)])
            for heading, table in {**self.tables, **self.questions}.items()
        ]
        return as_html(self.robustness, [self.caveat, *self.notes], tables)


#: Heading of the table that holds estimates against what the others and the priors expect, and its columns.
PREDICTIVE: Final = "Predictive check"
EXPECTED: Final = (
    "effect", "expected", "lower", "upper", "tail",
    "prior_expected", "prior_lower", "prior_upper", "prior_tail",
)  # fmt: skip

#: Headings of the tables of studies left out and of priors of heterogeneity; and of what was known year by
#: year, which is history and no specification.
STUDIES: Final = "Leaving out each study"
PRIORS: Final = "Priors of heterogeneity"
#: Between that heading and the name of an SD that moves the answer less than the one of the first table.
OTHERS: Final = ", "
HISTORY: Final = "Cumulative by year"
FAMILIES: Final = "Leaving out families of studies"
FAMILY_INFLUENCE: Final = "Influence of families"

#: Heading of the table of power scaling.
POWER: Final = "Power scaling"

#: Heading of the table of studies, and of pairs, without which the class is another.
REMOVED: Final = "Studies whose absence changes the class"

#: Heading of the table on a further trial.
NEXT: Final = "What one more trial could change"

#: Gives more tables for an analysis and its rows: heading to table, of specifications where it has the
#: columns `RESULT`.
More = Callable[[Analysis, Evidence], "dict[str, pd.DataFrame]"]


def sensitivity(
    analysis: Analysis | Synthesis,
    evidence: Evidence | None = None,
    *,
    more: Sequence[More] = (),
    executor: Executor | None = None,
    only: Collection[str] | None = None,
) -> Panel:
    """Run the panel: studies and families left out, priors, variants, correlations, years, questions.

    Parameters
    ----------
    analysis
        What is held against its alternatives, or a synthesis of it; its model has an intercept.
    evidence
        In place of the data set that it names.
    more
        Makers of further tables, e.g. a ladder of biases; counted where they are specifications.
    executor
        Where the registered variants are fitted; None works here.
    only
        Headings of the questions that are asked beside the tables of specifications; all unless given.

    Returns
    -------
    Panel
        Tables and the one line.

    Raises
    ------
    SpecError
        If the model has no pooled mean, or one study only.
    EngineRefusal
        If the exact engine cannot fit the model.
    """
    analysis, source = asked_of(analysis, evidence)
    rows = selected(analysis, source).evidence
    model, rules = analysis.model, analysis.conclusion
    _fit_for_a_panel(analysis, rows)
    far = rules.threshold
    whole = solve(model, rows)
    left = leave_out(whole, threshold=far)
    tables = {STUDIES: left.table}
    questions = {"Influence of each study": _changes(measured(left))}
    notes: list[str] = []
    several = families(rows)
    if several:
        by_family = leave_out(whole, by="trial_family", only=several, threshold=far)
        tables[FAMILIES] = by_family.table
        questions[FAMILY_INFLUENCE] = _changes(measured(by_family))
    tables |= heterogeneity_panels(whole, threshold=far)
    means = _means(analysis, whole)
    if means is not None:
        tables["Priors of the mean"] = means
    repeated = rows.size > len(set(rows.data["study"].to_numpy()))
    if repeated and all(block.assumed for block in rows.dependence):
        assumed = analysis.evidence.correlated
        by = "study" if assumed is None else assumed.by
        tables |= _asked(
            {
                "Correlation within studies": lambda: correlation_sweep(
                    whole, by=by, rhos=CORRELATIONS, threshold=far
                )
            },
            notes,
        )
    if "year" in rows.data and rows.data["year"].dtype != object:
        tables |= _asked({HISTORY: lambda: cumulative(whole, threshold=far)}, notes)
    if analysis.variant:
        tables["Registered variants"] = _variants(
            analysis, source, rows, notes, executor, whole.posterior.log_evidence
        )
    questions[PREDICTIVE] = predictive_check(whole)[[*EXPECTED]]
    direction = rows.direction
    questions |= _questions(analysis, whole, notes, only)
    if direction.benefit and (only is None or REMOVED in only):
        questions[REMOVED] = fewest_removed(left, classes(rules), Sides(direction.upward, far))
    for maker in more:
        for heading, further in maker(analysis, rows).items():
            where = tables if set(RESULT) <= set(further.columns) else questions
            where[heading] = further
    line = (
        _robustness(tables, rules, known_as(rows))
        if direction.benefit
        else _spread(tables, direction, rows.measure)
    )
    about = About(model, rows)
    caveat = rows.provenance.caveat
    return Panel(tables, line, caveat, questions, about, tuple(notes), direction.event, left)


def _fit_for_a_panel(analysis: Analysis, rows: Evidence) -> None:
    if not analysis.model.has_mean:
        raise SpecError(
            f"{analysis.id}: the model has no intercept, so there is no pooled mean to be robust; a panel "
            "needs one."
        )
    if len(set(rows.data["study"].to_numpy())) == 1:
        raise SpecError(
            f"{analysis.id}: one study is pooled; a panel that leaves studies out needs at least two."
        )


def _changes(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Keep what is not in the table of specifications already."""
    return frame.drop(
        columns=[name for name in FIGURES if name != "median"], errors="ignore"
    ).rename(columns={"median": "median_without"})


def heterogeneity_panels(whole: Fitted, *, threshold: float = 0.0) -> "dict[str, pd.DataFrame]":
    """Pool under several priors of each SD of effects; the one that moves the answer most comes first."""
    rows, frames = whole.evidence, {}
    for name in whole.model.spreads:
        priors = prior_choices(whole.model, rows, name)
        frames[name] = vary_prior(whole, name, priors, threshold=threshold)
    ordered = sorted(frames, key=lambda name: -moved(frames[name]))
    return {
        PRIORS if not place else f"{PRIORS}{OTHERS}{name}": frames[name]
        for place, name in enumerate(ordered)
    }


def _means(analysis: Analysis, whole: Fitted) -> "pd.DataFrame | None":
    """Pool under several prior SDs of the mean; None where it has no normal prior."""
    own = whole.model.mean
    found = None if own is None else normal(own)
    if own is None or found is None:
        return None
    priors: dict[str, Prior] = {"registered": own}
    for share in MEAN_SCALES:
        if share != 1.0:
            sd = share * found[1]
            priors[f"normal({found[0]:g}, {sd:g})"] = Normal(found[0], sd)
    sceptical = sceptical_model(whole.model, analysis.conclusion)
    doubting = None if sceptical is None else sceptical.mean
    if doubting is not None and doubting not in priors.values():
        priors["sceptical"] = doubting
    return vary_prior(whole, "mu", priors, threshold=analysis.conclusion.threshold)


def _result(
    model: Model, rows: Evidence, rules: Rules, seed: int, engine: object = None
) -> "dict[str, float]":
    """Pooled mean of one specification, benefit counted beyond the registered threshold."""
    chosen = engine if engine is not None else Exact(draws=0, study_effects=False)
    if chosen.refuses(model, rows):  # type: ignore[attr-defined]
        chosen = choose(model, rows)
    tree = fit(model, rows, engine=chosen, seed=seed)  # type: ignore[arg-type]
    found = summarise(tree).loc[model.pooled].to_dict()
    row = {name: float(found[name]) for name in ("mean", "sd", *RESULT)}
    if "quadrature" in tree.children:
        row["log_evidence"] = float(tree["quadrature"]["log_evidence"])
    if rows.measure.groups == 1:
        return row
    higher = rows.benefit != "lower"
    side = rules.threshold if higher else -rules.threshold
    row["probability"] = probability_beyond(tree, model.pooled, "", side, above=higher)
    if rows.benefit:
        row["harm"] = probability_beyond(tree, model.pooled, "", -side, above=not higher)
    return row


def _questions(
    analysis: Analysis, whole: Fitted, notes: list[str], only: Collection[str] | None
) -> "dict[str, pd.DataFrame]":
    """Power scaling, what was learned, tipping points and moderators; what cannot be asked is noted."""
    model, rules, rows = whole.model, analysis.conclusion, whole.evidence
    far = rules.threshold
    found: dict[str, pd.DataFrame] = {}
    asked: dict[str, Callable[[], pd.DataFrame]] = {
        NEXT: lambda: look_out(whole, rules),
        POWER: lambda: power_scaling_of(whole),
        "Learned from the data": lambda: learned_of(whole),
        "Tipping shift of effects": lambda: _one_index(
            tip_shifts(whole, groups_of(rows), threshold=far), direction
        ),
        "Tipping prior of the mean": lambda: tip_prior(whole, classes(rules), far),
    }
    direction = rows.direction
    if not direction.benefit:
        del asked["Tipping prior of the mean"], asked[NEXT]
    if not direction.event:
        del asked["Tipping shift of effects"]
    if only is not None:
        asked = {name: ask for name, ask in asked.items() if name in only}
    found |= _asked(asked, notes)
    if only is not None and not {"Inclusion of moderators", "Models"} & set(only):
        return found
    try:
        models = submodels(model)
        if len(models) > 1:
            compared = against(models, rows)
            found["Inclusion of moderators"] = compared.inclusion
            found["Models"] = compared.models
    except (SpecError, EngineRefusal) as error:
        notes.append(f"Inclusion of moderators: not asked, because {error}")
    return found


def _asked(
    questions: "Mapping[str, Callable[[], pd.DataFrame]]", notes: list[str]
) -> "dict[str, pd.DataFrame]":
    """Ask each; what cannot be answered is noted, and the others are."""
    found: dict[str, pd.DataFrame] = {}
    for heading, ask in questions.items():
        try:
            found[heading] = ask()
        except (EvidenceError, SpecError, EngineRefusal, ConvergenceError) as error:
            notes.append(f"{heading}: not asked, because {error}")
    return found


def _one_index(found: "pd.DataFrame", direction: Direction) -> "pd.DataFrame":
    """Name each row of a table of groups and levels in words."""
    frame = found.reset_index()
    frame.index = frame["group"] + f", {direction.event} = " + frame["level"].map("{:g}".format)
    return frame.drop(columns=["group", "level"])


def prior_choices(model: Model, rows: Evidence, name: str) -> dict[str, Prior]:
    """Give the priors of an SD of effects that a result is held against, ``registered`` first and once."""
    log = rows.measure.log or "standardised" in rows.measure.name
    tau = model.hyper[name]
    # The scale of the half-normal prior with the same median: the panel is in that unit.
    unit = 1.0 if log or not tau.proper else float(f"{float(tau.ppf(0.5)) / ndtri(0.75):.12g}")
    others = panel(rows.measure.name, unit, group=review_group(rows))
    return {"registered": tau, **{name: prior for name, prior in others.items() if prior != tau}}


def families(rows: Evidence) -> list[str]:
    """List families with several studies; the others are left out as studies."""
    if "trial_family" not in rows.data:
        return []
    studies: dict[str, set[str]] = {}
    pairs = zip(rows.data["trial_family"].to_numpy(), rows.data["study"].to_numpy(), strict=True)
    for family, study in pairs:
        studies.setdefault(str(family), set()).add(str(study))
    several = [family for family, own in studies.items() if family and len(own) > 1]
    return several if len(studies) > 1 else []


def _variants(
    analysis: Analysis,
    source: Evidence,
    rows: Evidence,
    notes: list[str],
    executor: Executor | None,
    evidence_of_all: float,
) -> "pd.DataFrame":
    """Run the registered variants; one of another measure or direction is noted and not counted.

    A model of the same rows, proper as the registered one is, has a Bayes factor against it.
    """
    import pandas as pd  # noqa: PLC0415

    tasks: dict[str, tuple[Analysis, Evidence]] = {}
    for variant in analysis.variant:
        changed = vary(analysis, variant)
        own = selected(changed, source).evidence
        alike = own.measure == rows.measure and own.benefit == rows.benefit
        if not alike or not changed.model.has_mean:
            notes.append(f"Variant {variant.name!r} asks for another quantity and is not counted.")
            continue
        tasks[variant.name] = changed, own
    found = dict(zip(tasks, map_tasks(_variant, tasks.values(), executor), strict=True))
    for name, (changed, own) in tasks.items():
        log = found[name].pop("log_evidence", np.nan)
        if _of_the_same(changed, own, analysis, rows) and np.isfinite(log):
            found[name]["bayes_factor"] = float(np.exp(log - evidence_of_all))
    frame = pd.DataFrame(found).T.astype(float)
    frame.index.name = "variant"
    return frame if found else pd.DataFrame(columns=["mean", "sd", *RESULT])


def _of_the_same(changed: Analysis, own: Evidence, analysis: Analysis, rows: Evidence) -> bool:
    """Whether two models are proper and say how probable the same numbers are."""
    both = (changed.model, analysis.model)
    if len({each.likelihood for each in both}) > 1 or len({each.selection for each in both}) > 1:
        return False
    if own.size != rows.size or not all(
        np.array_equal(own.data[name].to_numpy(), rows.data[name].to_numpy())
        for name in (ESTIMATE, "effect", "se")
    ):
        return False
    try:
        comparable({"registered": analysis.model, "variant": changed.model}, rows)
    except SpecError:
        return False
    return True


def _variant(task: tuple[Analysis, Evidence]) -> dict[str, float]:
    """Fit one variant, here or in another process."""
    changed, rows = task
    return _result(changed.model, rows, changed.conclusion, changed.seed, changed.engine)


def known_as(rows: Evidence) -> dict[str, str]:
    """Name studies as a reader knows them."""
    names, studies = rows.data[ESTIMATE].to_numpy(), rows.data["study"].to_numpy()
    labels = rows.data["label"].to_numpy() if "label" in rows.data else names
    found: dict[str, list[tuple[str, str]]] = {}
    for name, label, study in zip(names, labels, studies, strict=True):
        found.setdefault(str(study), []).append((str(name), str(label)))
    shared = {study: {label for _, label in both} for study, both in found.items()}
    return {
        study: both[0][0] if len(both) == 1 else both[0][1]
        for study, both in found.items()
        if len(both) == 1 or (len(shared[study]) == 1 and both[0][1])
    }


def families_as(rows: Evidence) -> dict[str, str]:
    """Name families of studies by their members."""
    if "trial_family" not in rows.data:
        return {}
    names, members = known_as(rows), dict[str, dict[str, None]]()
    for family, study in zip(
        rows.data["trial_family"].to_numpy(), rows.data["study"].to_numpy(), strict=True
    ):
        members.setdefault(str(family), {})[names.get(str(study), str(study))] = None
    return {family: "; ".join(own) for family, own in members.items()}


def _specifications(
    tables: "dict[str, pd.DataFrame]",
) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Give every specification: heading, name and figures; history and empty rows are none."""
    for heading, rows in tables.items():
        if heading == HISTORY or heading.startswith(PRIORS + OTHERS):
            continue
        for name, row in rows.to_dict(orient="index").items():
            if name not in REGISTERED and np.isfinite(row["median"]):
                yield heading, str(name), {str(key): value for key, value in row.items()}


def _spread(tables: "dict[str, pd.DataFrame]", direction: Direction, measure: Measure) -> str:
    """Say how far specifications lie apart, where nothing is called a benefit."""
    own = next(iter(tables.values())).loc["none left out"].to_dict()
    found = [row for _, _, row in _specifications(tables)]
    name = "probability" if direction.event else "median"

    def spelt(value: float) -> str:
        if direction.event:
            return spell_probability(value)
        return figure(float(measure.back(value)), 3)

    what = direction.event or f"the pooled {measure.title.lower()}"
    values = [float(row[name]) for row in found]
    if not values:
        return f"No other specification was tried; {what} is {spelt(float(own[name]))}."
    return (
        f"In {len(values)} specifications {what} lies between {spelt(min(values))} and "
        f"{spelt(max(values))}; in the analysis itself it is {spelt(float(own[name]))}."
    )


def _robustness(tables: "dict[str, pd.DataFrame]", rules: Rules, names: Mapping[str, str]) -> str:
    """Count the specifications that agree; history and empty rows are no specifications."""
    first = next(iter(tables.values()))
    now, against = (
        float(str(first.loc["none left out", name])) for name in ("probability", "harm")
    )
    registered = classify(rules, now, against)
    agree, total = 0, 0
    others: list[tuple[float, str]] = []
    for heading, name, row in _specifications(tables):
        chance = float(row["probability"])
        if not np.isfinite(chance):
            continue
        total += 1
        # Without a threshold harm is the rest of benefit, and a further table need not say it.
        other = classify(rules, chance, float(row.get("harm", 1.0 - chance)))
        if other == registered:
            agree += 1
            continue
        said = names.get(name, name) if heading == STUDIES else name
        words = f"{heading.lower()}: {said} ({spell_chance(BENEFIT, chance)}, {other!r})"
        others.append((abs(chance - now), words))
    share = f"{100 * agree / total:.0f} %" if total else "none"
    text = (
        f"{agree} of {total} specifications ({share}) give the same conclusion, {registered!r} "
        f"({spell_chance(BENEFIT, now)})"
    )
    if not others:
        return f"{text}; none breaks it."
    worst = max(others)[1]
    if len(others) == 1:
        return f"{text}; one breaks it: {worst}."
    return f"{text}; {len(others)} break it, most of all {worst}."
