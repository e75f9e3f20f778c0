"""Models in words: what a term, a prior and a rung of settings say to a reader."""

import re
from typing import Any, Final

from bayesrtw.model.prior import Prior
from bayesrtw.registry import encode
from bayesrtw.report.numbers import clean


def label(name: object) -> str:
    """Turn a name of the data into words."""
    words = clean("" if name is None else name).replace("_", " ")
    words = re.sub(r"\brct\b", "RCT", words)
    words = re.sub(r"\brobust map\b", "robust MAP", words)
    return re.sub(r"\bnon randomised\b", "non-randomised", words)


#: Quantities that are no name of a column or an SD.
_QUANTITIES: Final = {
    "mu": "μ",
    "mu_studies": "μ, each study once",
    "theta_new": "a new setting",
    "theta_new_studies": "a new setting, each study once",
}


def quantity(name: str) -> str:
    """Call a quantity as a reader knows it."""
    rest = name.partition("[")[2]
    if not rest:
        return _QUANTITIES.get(name, name)
    column, _, level = rest[:-1].partition("[")
    return f"{label(column)}: {label(level[:-1])}" if level else f"{label(column)}, per unit"


def prior_in_words(prior: Prior | None) -> str:
    """Name a prior with its settings."""
    return "no heterogeneity" if prior is None else settings_in_words(encode(prior))


def settings_in_words(table: Any) -> str:
    """Name an encoded component with its settings."""
    kind = str(table.get("kind", "")).replace("_", "-")
    given = {
        name: value
        for name, value in table.items()
        if name != "kind" and value not in (None, "", [], {})
    }
    settings = ", ".join(
        f"{name.replace('_', ' ')} = {_value(each)}" for name, each in given.items()
    )
    if len(given) == 1:
        settings = _value(next(iter(given.values())))
    return f"{kind}({settings})" if settings else kind


def term_in_words(term: dict[str, Any]) -> tuple[str, str]:
    """Say what a term of a model does, and with which prior."""
    kind = str(term.get("kind"))
    priors = "; ".join(
        f"{'coefficients' if key == 'prior' and kind != 'intercept' else _symbol(key, term)} ~ "
        f"{settings_in_words(value)}"
        for key, value in term.items()
        if isinstance(value, dict) and "kind" in value
    )
    what = {
        "intercept": "Pooled mean μ",
        "exchangeable": f"Exchangeable effects {_of(term)}",
        "common": "One common effect: no heterogeneity",
        "categorical": f"Moderator {term.get('column')}, one effect a level, summing to zero",
        "linear": f"Moderator {term.get('column')}, linear",
        "indicator": f"Shift for rows with {term.get('column')} in {_value(term.get('values', []))}",
        "by_group": f"Heterogeneity of its own in each group of {term.get('column')}",
    }.get(kind, kind.replace("_", " "))
    return what, priors or "none"


def _of(term: dict[str, Any]) -> str:
    by = term.get("by")
    return f"of {str(by).replace('_', ' ')}" if by else "of estimates"


def _symbol(key: str, term: dict[str, Any]) -> str:
    if key == "tau":
        return str(term.get("name") or "tau")
    return "μ" if key == "prior" else key


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return settings_in_words(value)
    if isinstance(value, list | tuple):
        return ", ".join(_value(each) for each in value)
    return (
        f"{value:g}"
        if isinstance(value, int | float) and not isinstance(value, bool)
        else str(value)
    )
