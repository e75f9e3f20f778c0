"""First drafts of an analysis and of a data set, valid as they stand and meant to be edited."""

from bayesrtw.analysis.default import APPROXIMATE, likelihood_for
from bayesrtw.analysis.spec import ID, SCHEMA, Query, parse
from bayesrtw.errors import EvidenceError, SpecError
from bayesrtw.evidence.measure import MEASURES
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.default_likelihood import EXACT, Chosen
from bayesrtw.model.defaults import DAYS, TABLE
from bayesrtw.registry import encode, suggestion

#: Seed of a drafted analysis: any will do, as long as it stays.
SEED = 20261124


def analysis_text(
    name: str,
    *,
    dataset: str = "my-dataset",
    measure: str = "log_hazard_ratio",
    evidence: Evidence | None = None,
) -> str:
    """Draft an analysis file with the default priors of its measure."""
    _name(name)
    if measure not in MEASURES:
        raise SpecError(f"measure is {measure!r}; {suggestion(measure, list(MEASURES))}")
    default = TABLE.get(measure, DAYS)
    chosen = _chosen(dataset, measure, evidence)
    reasons = [f"Priors of the measure's defaults: {default.why}."]
    reasons += [chosen.why] if chosen is not None and chosen.why else []
    listed = "".join(f'  "{reason}",\n' for reason in reasons)
    text = f'''\
schema = {SCHEMA}
id = "{name}"
title = "What is pooled, and for which outcome"
question = "The question in one sentence, fixed before the fit?"
seed = {SEED}
rationale = [
{listed}]

[evidence]
dataset = "{dataset}"
measure = "{measure}"

[[term]]
kind = "intercept"
prior = {_table(default.mu)}

[[term]]
kind = "exchangeable"
tau = {_table(default.tau)}

{_likelihood(measure, chosen)}[[estimand]]
name = "pooled"
of = "mu"

[[estimand]]
name = "new setting"
of = "theta_new"

[[estimand]]
name = "heterogeneity"
of = "tau"

# A moderator, one effect for each value of a column:
# [[term]]
# kind = "categorical"
# column = "programme_type"
# prior = {{ kind = "normal", mean = 0, sd = 0.25 }}
#
# The same of a number, a slope for each unit:
# [[term]]
# kind = "linear"
# column = "year"
# prior = {{ kind = "normal", mean = 0, sd = 0.05 }}
#
# Cohorts beside trials, told apart by one common difference:
# [[term]]
# kind = "indicator"
# name = "non_randomised"
# column = "design"
# values = ["non_randomised", "cohort"]
# prior = {{ kind = "normal", mean = 0, sd = 0.2 }}
#
# A threshold: above_ratio or below_ratio of ratios; above or below on the analysis scale, log(1.25) = 0.2231.
# [[estimand]]
# name = "more than 1.25"
# of = "mu"
# above_ratio = 1.25
'''
    parse(text, f"{name}.toml")
    return text


def _chosen(dataset: str, measure: str, evidence: Evidence | None) -> Chosen | None:
    """Choose the likelihood of the rows that are there; None where there is none of the measure."""
    if evidence is None:
        return None
    try:
        return likelihood_for(Query(dataset, measure), evidence)
    except EvidenceError:
        return None


def _likelihood(measure: str, chosen: Chosen | None) -> str:
    """Write the likelihood of counts, as a remark where it is not known whether there are any."""
    if measure not in EXACT or (chosen is not None and not chosen.exact):
        return ""
    settings = encode(EXACT[measure][0])
    link = f'link = "{settings["link"]}"\n' if "link" in settings else ""
    text = (
        f'[likelihood]\nkind = "{settings["kind"]}"\n{link}\n[[variant]]\nname = "{APPROXIMATE.name}"\n'
        'set = { likelihood = { kind = "normal" } }\n'
    )
    if chosen is not None:
        return f"{text}\n"
    said = f"Where every row has counts, their exact likelihood:\n{text}"
    return "".join(f"# {line}".rstrip() + "\n" for line in said.splitlines()) + "\n"


def dataset_files(name: str) -> dict[str, str]:
    """Draft a data set folder with one row that says what it is."""
    _name(name)
    about = f'''\
schema = 1
id = "{name}"
version = 1
title = "What these studies are about"
caveat = "A draft: its one row is invented. Replace it before anything is read from a result."

[source]
citation = "Where the studies were found, and how."
licence = "Terms of the source."
known_disagreements = []
limits = ["What was not read."]

[[outcome]]
name = "time_to_rtw"
title = "Time to return to work (hazard of returning)"
benefit = "higher"
unit = ""
'''
    results = (
        "result,study,outcome,reported,estimate,ci_low,ci_high,locator\n"
        "r01,invented2026,time_to_rtw,hazard_ratio,1.00,0.50,2.00,replace this row\n"
    )
    studies = "study,label,year,design,programme_type\ninvented2026,Invented 2026,2026,rct,other\n"
    return {"dataset.toml": about, "studies.csv": studies, "results.csv": results}


def _name(name: str) -> None:
    if not ID.fullmatch(name):
        raise SpecError(
            f"id is {name!r}; use 1 to 100 lower-case letters, digits, dots, dashes and underscores, a "
            "letter or digit first."
        )


def _table(prior: object) -> str:
    """Write a component as an inline TOML table."""
    settings = ", ".join(
        f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"
        for key, value in encode(prior).items()
    )
    return f"{{ {settings} }}"
