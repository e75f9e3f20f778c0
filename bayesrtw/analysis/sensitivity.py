"""The sensitivity panel of an analysis, and how robust its conclusion is, in one line."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bayesrtw.analysis.catalog import open_dataset
from bayesrtw.analysis.conclusion import Rules, classify
from bayesrtw.analysis.query import select
from bayesrtw.analysis.spec import Analysis, vary
from bayesrtw.engine import fit
from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.heterogeneity import Exchangeable
from bayesrtw.model.prior import HalfNormal, Prior
from bayesrtw.model.published import panel
from bayesrtw.model.spec import Model
from bayesrtw.posterior.sensitivity import between, cumulative, leave_one_out, prior_sensitivity
from bayesrtw.posterior.summarise import summarise

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Panel:
    """A result under everything that was tried.

    Attributes
    ----------
    tables
        Heading to table; every table has ``median, lower, upper, probability`` on the analysis scale.
    robustness
        One sentence: the share of specifications with the registered conclusion, and what breaks it.
    caveat
        What must stand beside every result of the evidence.
    """

    tables: "dict[str, pd.DataFrame]"
    robustness: str
    caveat: str


def sensitivity(analysis: Analysis, evidence: Evidence | None = None) -> Panel:
    """Run the panel: each study and family left out, priors of tau, variants, years.

    Parameters
    ----------
    analysis
        What is held against its alternatives; its model has an intercept.
    evidence
        In place of the data set that it names.

    Returns
    -------
    Panel
        Tables and the one line.

    Raises
    ------
    SpecError
        If the model has no pooled mean.
    """
    source = evidence if evidence is not None else open_dataset(analysis.evidence.dataset)
    rows = select(analysis.evidence, source).evidence
    model = analysis.model
    tables = {"Leaving out each study": leave_one_out(model, rows)}
    several = families(rows)
    if several:
        table = leave_one_out(model, rows, by="trial_family")
        tables["Leaving out families of studies"] = table.loc[["none left out", *several]]
    if any(isinstance(term, Exchangeable) for term in model.terms):
        priors = prior_choices(model, rows)
        tables["Priors of heterogeneity"] = prior_sensitivity(model, rows, priors)
    if "year" in rows.data and rows.data["year"].dtype != object:
        tables["Cumulative by year"] = cumulative(model, rows)
    if analysis.variant:
        tables["Registered variants"] = _variants(analysis, source)
    return Panel(tables, _robustness(tables, analysis.conclusion), rows.provenance.caveat)


def prior_choices(model: Model, rows: Evidence) -> dict[str, Prior]:
    """Give the priors of the heterogeneity SD that a result is held against.

    Parameters
    ----------
    model
        A model with an exchangeable term.
    rows
        What is pooled.

    Returns
    -------
    dict
        Name to prior, ``registered`` first.
    """
    log = rows.measure.log or "standardised" in rows.measure.name
    tau = between(model).tau
    unit = 1.0 if log else (tau.scale if isinstance(tau, HalfNormal) else 1.0)
    return {"registered": tau, **panel(rows.measure.name, unit)}


def families(rows: Evidence) -> list[str]:
    """List families with several studies; the others are left out as studies.

    Parameters
    ----------
    rows
        What is pooled.

    Returns
    -------
    list of str
        Values of ``trial_family``; none if all rows are one study.
    """
    if "trial_family" not in rows.data:
        return []
    studies: dict[str, set[str]] = {}
    pairs = zip(rows.data["trial_family"].to_numpy(), rows.data["study"].to_numpy(), strict=True)
    for family, study in pairs:
        studies.setdefault(str(family), set()).add(str(study))
    several = [family for family, own in studies.items() if family and len(own) > 1]
    return several if len(studies) > 1 else []


def _variants(analysis: Analysis, source: Evidence) -> "pd.DataFrame":
    import pandas as pd  # noqa: PLC0415

    found = {}
    for variant in analysis.variant:
        changed = vary(analysis, variant)
        rows = select(changed.evidence, source).evidence
        table = summarise(fit(changed.model, rows, engine=changed.engine, seed=changed.seed))
        found[variant.name] = table.loc[
            "mu", ["mean", "sd", "median", "lower", "upper", "probability"]
        ]
    frame = pd.DataFrame(found).T.astype(float)
    frame.index.name = "variant"
    return frame


def _robustness(tables: "dict[str, pd.DataFrame]", rules: Rules) -> str:
    """Count the specifications that agree; the cumulative table is history, not a specification."""
    first = next(iter(tables.values()))
    if "none left out" not in first.index:
        raise SpecError("no registered result to hold the others against.")
    registered = classify(rules, _chance(first, "none left out"))
    agree, total = 0, 0
    worst: tuple[float, str] | None = None
    for heading, table in tables.items():
        if heading.startswith("Cumulative"):
            continue
        for name, probability in table["probability"].items():
            if name in ("none left out", "registered"):
                continue
            total += 1
            same = classify(rules, float(probability)) == registered
            agree += same
            gap = abs(float(probability) - _chance(first, "none left out"))
            if not same and (worst is None or gap > worst[0]):
                worst = (gap, f"{heading.lower()}: {name} (P(benefit) = {probability:.2f})")
    text = f"{agree} of {total} specifications give the same conclusion, {registered!r}"
    return (
        f"{text}; the one that moves it most: {worst[1]}." if worst else f"{text}; none breaks it."
    )


def _chance(table: "pd.DataFrame", name: str) -> float:
    return float(table["probability"].to_dict()[name])
