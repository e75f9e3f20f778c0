"""A finished synthesis for other programs: its rows for RevMan and GRADEpro, a table, lines of R."""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np
from numpy.typing import NDArray

from bayesrtw.analysis.run import Synthesis
from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import SpecError, shown
from bayesrtw.evidence.cells import guarded
from bayesrtw.evidence.counts import counts
from bayesrtw.evidence.measure import MEASURES, measure_named
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import normal, single
from bayesrtw.model.counted import Counted
from bayesrtw.model.observation import is_normal
from bayesrtw.model.term import Hyper
from bayesrtw.reading.review import written
from bayesrtw.registry import kind_of

#: Measures that RevMan has, and what its files call them.
_REVMAN: Final = {
    "log_odds_ratio": ("OR", "Odds Ratio"),
    "log_risk_ratio": ("RR", "Risk Ratio"),
    "risk_difference": ("RD", "Risk Difference"),
    "mean_difference": ("MD", "Mean Difference"),
    "standardised_mean_difference": ("SMD", "Std. Mean Difference"),
    "log_hazard_ratio": ("HR", "Hazard Ratio"),
    "log_rate_ratio": ("IRR", "Rate Ratio"),
    "log_ratio_of_means": ("ROM", "Ratio of Means"),
}

#: What rows of counts and of means hold, as RevMan names it, and the measures that it takes from them.
_GROUPS: Final = {
    "DICH": (
        {"EVENTS": "events", "TOTAL": "n"},
        ("log_odds_ratio", "log_risk_ratio", "risk_difference"),
    ),
    "CONT": (
        {"MEAN": "mean", "SD": "sd", "TOTAL": "n"},
        ("mean_difference", "standardised_mean_difference"),
    ),
}

#: Sections that a file of RevMan 5 has beside studies and analyses, in its order.
_SECTIONS: Final = ("COVER_SHEET", "MAIN_TEXT", "STUDIES_AND_REFERENCES")


def exported(synthesis: Synthesis, to: str) -> dict[str, bytes]:
    """Write the rows of a synthesis for another program."""
    if to not in TARGETS:
        raise SpecError(f"--to is {to!r}; choose one of {shown(list(TARGETS))}.")
    likelihood = synthesis.analysis.model.likelihood
    if likelihood.offers.counted is None and not is_normal(likelihood.observe(synthesis.evidence)):
        raise _refusal(
            synthesis,
            to,
            f"its likelihood is {kind_of(likelihood)!r}, which sees more than effects",
            (),
        )
    if synthesis.analysis.selection is not None:
        what = "it takes results as selected, which no other program is told"
        raise _refusal(synthesis, to, what, ())
    if likelihood.correlation is not None or likelihood.clustering is not None:
        what = "it integrates over a correlation of sampling errors, or over a design effect"
        raise _refusal(synthesis, to, what, ())
    return TARGETS[to](synthesis)


def _refusal(synthesis: Synthesis, to: str, what: str, others: tuple[str, ...]) -> SpecError:
    remedy = (
        f"choose --to {' or '.join(others)}" if others else "no other program is offered for it"
    )
    name = synthesis.analysis.id
    return SpecError(f"{name}: cannot be exported --to {to}: {what}; {remedy}.")


def _csv(synthesis: Synthesis) -> dict[str, bytes]:
    if synthesis.evidence.dependence:
        what = "sampling errors of some rows are correlated, which a table of effects does not hold"
        raise _refusal(synthesis, "csv", what, ("metafor",))
    return {f"{synthesis.analysis.id}.csv": _table(synthesis)}


def _table(synthesis: Synthesis) -> bytes:
    """Write effects and standard errors, or counts, and the columns that the analysis looks at."""
    data = synthesis.evidence.data
    numbers: tuple[str, ...] = ("effect", "se")
    counted = synthesis.analysis.likelihood.offers.counted
    if counted is not None:
        found = _counts(synthesis.evidence, counted)
        data = data.assign({name: (ESTIMATE, values) for name, values in found.items()})
        numbers = (*found,)
    asked = [*synthesis.analysis.evidence.where, *_columns(synthesis.analysis.evidence.exclude)]
    needed = [*_columns(synthesis.analysis.model.terms), *asked]
    names = ("study", "label", "outcome", "measure", *numbers, *needed)
    kept = list(dict.fromkeys(name for name in names if name in data))
    columns = {name: [_cell(value) for value in data[name].to_numpy().tolist()] for name in kept}
    columns["benefit"] = [synthesis.evidence.benefit] * synthesis.evidence.size
    columns = {n: cells for n, cells in columns.items() if any(cells) or n in needed}
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue().encode()


def _counts(evidence: Evidence, likelihood: Counted) -> dict[str, NDArray[np.float64]]:
    """Give the counts that a likelihood reads, by the names of their columns."""
    groups, among, _ = likelihood.reads
    seen, ends = counts(evidence, groups, among), ("_t", "_c") if groups == 2 else ("",)
    return {
        f"{name}{end}": values[place]
        for place, end in enumerate(ends)
        for name, values in (("events", seen.events), (among, seen.size))
    }


def _columns(parts: tuple[Any, ...]) -> list[str]:
    """Give the words among the settings of components: columns are among them."""
    values = [getattr(part, each.name) for part in parts for each in fields(part)]
    return [value for value in values if isinstance(value, str)]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else written(value)
    return guarded("" if value is None else str(value))


def _metafor(synthesis: Synthesis) -> dict[str, bytes]:
    """Write the table and the lines of R that pool it."""
    name, model = synthesis.analysis.id, synthesis.analysis.model
    others = [
        term
        for term in model.terms
        if not term.facts.mean_setting and not (term.facts.spread and len(term.hyper()) < 2)
    ]
    if others or not model.has_mean:
        what = f"its terms {shown(sorted(map(kind_of, others)))} have no line of R here"
        raise _refusal(synthesis, "metafor", what if others else "it has no intercept", ("csv",))
    counted = synthesis.analysis.likelihood.offers.counted
    if counted is not None:
        return _glmm(synthesis, counted)
    lines = [
        f"# {synthesis.analysis.title}".replace("\n", " "),
        "# metafor estimates tau without a prior: its numbers differ where studies are few.",
        "library(metafor)",
        f'd <- read.csv("{name}.csv", fileEncoding = "UTF-8")',
        "d$estimate <- seq_len(nrow(d))",
        "V <- diag(d$se^2, nrow(d))",
    ]
    for block in synthesis.evidence.dependence:
        rows = "c(" + ", ".join(str(row + 1) for row in block.rows.tolist()) + ")"
        values = ", ".join(written(value) for value in np.ravel(block.covariance).tolist())
        lines.append(f"V[{rows}, {rows}] <- matrix(c({values}), {len(block.rows)}, byrow = TRUE)")
    spread = [model.hyperparameters[each] for each in model.spreads]
    lines += [  # empty cells stand alone
        f'd${by} <- ifelse(is.na(d${by}) | d${by} == "", paste("row", d$estimate), d${by})'
        for by in (each.level for each in spread if each.level)
    ]
    random = ", ".join(f"~ 1 | {each.level or 'estimate'}" for each in spread)
    lines.append(
        f'fit <- rma.mv(effect, V, random = list({random}), data = d, method = "REML")'
        if spread
        else "fit <- rma.mv(effect, V, data = d)"
    )
    back = _BACK.get(measure_named(synthesis.evidence.measure.name).link.name, "")
    lines.append(f"predict(fit{back}, digits = 6)")
    lines += ["", *_bayesmeta(synthesis, spread)]
    return {
        f"{name}.csv": _table(synthesis),
        f"{name}.R": ("\n".join(lines) + "\n").encode(),
    }


#: Kinds of likelihood to what R's rma.glmm calls the same; and its names for the columns of counts.
_GLMM: Final = {
    "hypergeometric": ('"OR"', ', model = "CM.EL"'),
    "poisson": ('"IRR"', ', model = "CM.EL"'),
    "binomial_single": ('"PLO"', ""),
    "poisson_single": ('"IRLN"', ""),
}
_CELLS: Final = {
    ("n", 2): ("ai", "n1i", "ci", "n2i"),
    ("person_time", 2): ("x1i", "t1i", "x2i", "t2i"),
    ("n", 1): ("xi", "ni"),
    ("person_time", 1): ("xi", "ti"),
}


def _glmm(synthesis: Synthesis, likelihood: Counted) -> dict[str, bytes]:
    """Write counts and the lines of R that pool them by the same likelihood."""
    name, model = synthesis.analysis.id, synthesis.analysis.model
    kind = kind_of(likelihood)
    if kind not in _GLMM or len(model.spreads) > 1:
        what = f"rma.glmm of R has no likelihood {kind!r} here, with {len(model.spreads)} heterogeneity SD(s)"
        raise _refusal(synthesis, "metafor", what, ("csv",))
    columns = _counts(synthesis.evidence, likelihood)
    theirs = _CELLS[likelihood.reads.among, likelihood.reads.groups]
    cells = ", ".join(f"{r} = {own}" for r, own in zip(theirs, columns, strict=True))
    measure, conditional = _GLMM[kind]
    common = "" if model.spreads else ', method = "EE"'
    back = _BACK.get(synthesis.evidence.measure.link.name, "")
    lines = [
        f"# {synthesis.analysis.title}".replace("\n", " "),
        "# metafor estimates tau without a prior: its numbers differ where studies are few.",
        "library(metafor)",
        f'd <- read.csv("{name}.csv", fileEncoding = "UTF-8")',
        f"fit <- rma.glmm(measure = {measure}, {cells}, data = d{conditional}{common})",
        f"predict(fit{back}, digits = 6)",
    ]
    return {f"{name}.csv": _table(synthesis), f"{name}.R": ("\n".join(lines) + "\n").encode()}


#: What turns the scale of analysis back, in R.
_BACK: Final = {
    "log": ", transf = exp",
    "logit": ", transf = plogis",
    "Fisher's z": ", transf = tanh",
    "arcsine": ", transf = function(x) sin(x)^2",
}


def _bayesmeta(synthesis: Synthesis, spread: list[Hyper]) -> list[str]:
    """Repeat the analysis with the same priors where bayesmeta knows them."""
    mean = synthesis.analysis.model.mean
    if len(spread) != 1 or spread[0].level or synthesis.evidence.dependence:
        return ["# bayesmeta has one heterogeneity SD and independent estimates: not written."]
    tau: Any = spread[0].prior
    if mean is None or single(mean) is None or kind_of(tau) not in _DENSITIES:
        return ["# bayesmeta has no prior of these kinds: not written."]
    density, known = _DENSITIES[kind_of(tau)](tau), normal(mean)
    own = "" if known is None else f", mu.prior = c({known[0]:.15g}, {known[1]:.15g})"
    return [
        "# The same model with the same priors.",
        "library(bayesmeta)",
        f"tau.prior <- function(t) {density}",
        "same <- bayesmeta(y = d$effect, sigma = d$se, labels = as.character(d$estimate)"
        f"{own}, tau.prior = tau.prior)",
        "same$summary",
    ]


#: Densities of tau in R, by the kind of the prior; the d functions of R and of bayesmeta.
_DENSITIES: Final[Mapping[str, Callable[[Any], str]]] = {
    "half_normal": lambda p: f"dhalfnormal(t, scale = {p.scale!r})",
    "half_cauchy": lambda p: f"dhalfcauchy(t, scale = {p.scale!r})",
    "half_student_t": lambda p: f"dhalft(t, df = {p.df!r}, scale = {p.scale!r})",
    "exponential": lambda p: f"dexp(t, rate = 1 / {p.scale!r})",
    "uniform": lambda p: f"dunif(t, 0, {p.upper!r})",
    "inverse_gamma": lambda p: (
        f"ifelse(t > 0, dgamma(1 / t, shape = {p.shape!r}, rate = {p.scale!r}) / t^2, 0)"
    ),
}


def _revman(synthesis: Synthesis) -> dict[str, bytes]:
    return {f"{synthesis.analysis.id}.rm5": _review(synthesis, "revman", str)}


def _gradepro(synthesis: Synthesis) -> dict[str, bytes]:
    """Write the same file in words that GRADEpro takes: it stumbles over ``&`` and ``<`` in names."""

    def plain(words: str) -> str:
        return words.replace("&", "and").replace("<", "less than ").replace(">", "more than ")

    return {f"{synthesis.analysis.id}-gradepro.rm5": _review(synthesis, "gradepro", plain)}


def _review(synthesis: Synthesis, to: str, plain: Callable[[str], str]) -> bytes:
    """Write a review of RevMan 5 with one analysis."""
    evidence, analysis = synthesis.evidence, synthesis.analysis
    studies = [str(name) for name in evidence.data["study"].to_numpy()]
    if evidence.measure.name not in _REVMAN:
        had = ", ".join(MEASURES[name].title.lower() for name in _REVMAN)
        what = f"RevMan has no {evidence.measure.title.lower()}; it has {had}"
        raise _refusal(synthesis, to, what, ("csv", "metafor"))
    twice = sorted({name for name in studies if studies.count(name) > 1})
    if twice:
        what = f"RevMan takes a study once an analysis; studies {shown(twice)} stand several times"
        raise _refusal(synthesis, to, what, ("csv", "metafor"))
    if evidence.dependence:
        what = "RevMan takes estimates as independent; some share a group here"
        raise _refusal(synthesis, to, what, ("metafor",))
    if analysis.likelihood.offers.counted and _kind(synthesis) != "DICH":
        what = "RevMan takes counts of two groups as they were printed, for odds and risk ratios"
        raise _refusal(synthesis, to, what, ("csv",))
    root = Element("COCHRANE_REVIEW", {"TYPE": "INTERVENTION", "REVMAN_VERSION": "5", "STAGE": "R"})
    parts = {name: SubElement(root, name) for name in _SECTIONS}
    SubElement(parts["COVER_SHEET"], "TITLE").text = plain(analysis.title)
    listed = SubElement(SubElement(parts["STUDIES_AND_REFERENCES"], "STUDIES"), "INCLUDED_STUDIES")
    years = evidence.data["year"].to_numpy() if "year" in evidence.data else [""] * len(studies)
    for place, (study, year) in enumerate(zip(studies, years, strict=True)):
        named = {"ID": f"STD-{place + 1}", "NAME": plain(study), "YEAR": _cell(year)}
        SubElement(listed, "STUDY", {**named, "DATA_SOURCE": "PUB"})
    analyses = SubElement(root, "ANALYSES_AND_DATA", {"CALCULATED_DATA": "YES"})
    group = SubElement(analyses, "COMPARISON", {"ID": "CMP-001", "NO": "1"})
    programme, comparison = evidence.provenance.programme, evidence.provenance.comparison
    SubElement(group, "NAME").text = plain(f"{programme} versus {comparison}")
    _outcome(synthesis, group, plain)
    indent(root, "")
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def _outcome(synthesis: Synthesis, group: Element, plain: Callable[[str], str]) -> None:
    """Write the one analysis: counts or means where every row is of them, else effects."""
    evidence = synthesis.evidence
    short, long = _REVMAN[evidence.measure.name]
    kind = _kind(synthesis)
    settings = {"ID": "CMP-001.01", "NO": "1", "RANDOM": "YES", "TOTALS": "YES"}
    settings |= {"CI_STUDY": "95", "CI_TOTAL": "95", "SUBGROUPS": "NO", "ESTIMABLE": "YES"}
    settings |= {"STUDIES": str(evidence.size), **_pooled(synthesis)}
    if kind == "DICH":
        settings |= {"METHOD": "IV", "SWAP_EVENTS": "NO"}
    if kind == "IV":
        settings["LOG_DATA"] = "YES" if evidence.measure.log else "NO"
    else:
        settings["EFFECT_MEASURE"] = short
    outcome = SubElement(group, f"{kind}_OUTCOME", settings)
    name = str(evidence.data["outcome"].to_numpy()[0])
    title = evidence.outcomes[name].title if name in evidence.outcomes else name
    SubElement(outcome, "NAME").text = plain(title)
    programme, comparison = evidence.provenance.programme, evidence.provenance.comparison
    SubElement(outcome, "GROUP_LABEL_1").text = plain(programme)
    SubElement(outcome, "GROUP_LABEL_2").text = plain(comparison)
    sides = {
        "lower": (f"Favours {programme}", f"Favours {comparison}"),
        "higher": (f"Favours {comparison}", f"Favours {programme}"),
    }.get(evidence.benefit, ("Lower", "Higher"))
    for place, side in enumerate(sides, 1):
        SubElement(outcome, f"GRAPH_LABEL_{place}").text = plain(side)
    if kind == "IV":
        SubElement(outcome, "EFFECT_MEASURE").text = long
    effect, se = (evidence.data[each].to_numpy() for each in ("effect", "se"))
    for row in range(evidence.size):
        cells = {"STUDY_ID": f"STD-{row + 1}", "ORDER": str(row + 1), "ESTIMABLE": "YES"}
        if kind == "IV":
            cells |= {"ESTIMATE": written(effect[row]), "SE": written(se[row])}
        else:
            cells |= _groups(synthesis, kind, row)
        SubElement(outcome, f"{kind}_DATA", cells)


def _pooled(synthesis: Synthesis) -> dict[str, str]:
    """Give the pooled effect as it was found here; RevMan works out its own when a file is opened."""
    pooled = synthesis.analysis.model.pooled
    if pooled not in synthesis.quantities.index:
        return {}
    row = synthesis.quantities.loc[pooled].to_dict()
    named = {"EFFECT_SIZE": "median_back"}
    if row["ci_prob"] == 0.95:
        named |= {"CI_START": "lower_back", "CI_END": "upper_back"}
    return {
        name: written(row[column]) for name, column in named.items() if np.isfinite(row[column])
    }


def _kind(synthesis: Synthesis) -> str:
    """See whether every row was converted from counts, or from means and SDs, as they stand."""
    data = synthesis.evidence.data
    for kind, (cells, measures) in _GROUPS.items():
        names = [f"{name}{end}" for name in cells.values() for end in ("_t", "_c")]
        if synthesis.evidence.measure.name not in measures or not set(names) <= {*map(str, data)}:
            continue
        found = data["conversion"].to_numpy().tolist() if "conversion" in data else []
        plain = [
            ("from counts" in how or "SE = SD / sqrt(n)" in how or "from means and SDs" in how)
            and "times" not in how
            and "turned round" not in how
            and "percentages" not in how
            for how in map(str, found)
        ]
        held = all(np.all(np.isfinite(data[name].to_numpy().astype(float))) for name in names)
        if held and plain and all(plain):
            return kind
    return "IV"


def _groups(synthesis: Synthesis, kind: str, row: int) -> dict[str, str]:
    data = synthesis.evidence.data
    return {
        f"{theirs}_{place}": written(float(data[f"{ours}{end}"].to_numpy()[row]))
        for theirs, ours in _GROUPS[kind][0].items()
        for place, end in ((1, "_t"), (2, "_c"))
    }


#: Programs, and what writes for them.
TARGETS: Final[dict[str, Callable[[Synthesis], dict[str, bytes]]]] = {
    "revman": _revman,
    "gradepro": _gradepro,
    "csv": _csv,
    "metafor": _metafor,
}
