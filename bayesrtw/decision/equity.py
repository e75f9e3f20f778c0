"""Equity: what rows say of groups who may be disadvantaged, by the factors of PROGRESS-Plus.

Columns count where there are any; otherwise the words of the rows themselves, which are quoted so that a
reader sees what was found. A factor that nobody wrote about is called silent, which is no sign that it does
not matter.
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesrtw.evidence.table import Evidence
from bayesrtw.pictured import Pictured, as_html
from bayesrtw.question.answer import table_as_html

Strings = NDArray[np.str_]

#: Columns whose words are searched.
WORDS: Final = ("contrast", "comparator", "stratum", "workplace_reason", "note")

#: Values that say nothing.
NOTHING: Final = ("", "nan", "unclear", "not_stated", "mixed")


@dataclass(frozen=True, slots=True)
class Factor:
    """A factor of PROGRESS-Plus."""

    name: str  #: As it is called.
    columns: tuple[str, ...]  #: Columns of evidence that tell it.
    words: str = ""  #: What is looked for in the words of rows, where no column tells it.


#: O'Neill et al. (2014), J Clin Epidemiol 67:56-64, doi:10.1016/j.jclinepi.2013.08.005.
FACTORS: Final = (
    Factor(
        "place of residence",
        ("country", "region", "setting", "rurality"),
        r"\b(rural|urban|remote)\b",
    ),
    Factor(
        "race, ethnicity, culture and language",
        ("race", "ethnicity", "language", "migration"),
        r"\b(immigra\w*|migrants?|ethnic\w*|minorit\w*|refugees?|cultural\w*|native speakers?)\b",
    ),
    Factor(
        "occupation",
        ("occupation", "sector", "employment", "contract"),
        r"\b(without (?:an? )?(?:employment )?contract|no (?:own )?employer|out of work|unemployed|"
        r"self-employed|blue-collar|white-collar|manual work\w*|temporary agency)\b",
    ),
    Factor(
        "gender and sex",
        ("sex", "gender", "female", "pct_female"),
        r"\b(women|woman|men|female|male)\b",
    ),
    Factor("religion", ("religion",), r"\b(religio\w*)\b"),
    Factor(
        "education",
        ("education", "pct_low_education"),
        r"\b(low(?:er)? education\w*|educational level|level of education|years of education)\b",
    ),
    Factor(
        "socioeconomic status",
        ("income", "deprivation", "socioeconomic_status"),
        r"\b(depriv\w*|poverty|low income|homeless\w*|social assistance|long-term benefit\w*)\b",
    ),
    Factor(
        "social capital", ("social_support",), r"\b(social support|job relations|lone parents?)\b"
    ),
    Factor("age", ("age", "mean_age"), r"\b(young adults?|older workers?|aged \d+)\b"),
    Factor("disability and illness", ("condition",)),
)


@dataclass(frozen=True, slots=True, eq=False)
class Equity(Pictured):
    """What rows say by the factors of PROGRESS-Plus.

    Attributes
    ----------
    table
        Index the factor: ``studies`` that tell it, ``of`` how many there are, ``told`` (values of a column
        with their studies, or the words of rows, quoted), ``says`` (a sentence).
    caveat
        What must stand beside every result of the rows.
    """

    table: pd.DataFrame
    caveat: str = ""

    @property
    def silent(self) -> tuple[str, ...]:
        """Factors that the rows say nothing of."""
        return tuple(map(str, self.table.index[self.table["studies"] == 0]))

    def _words(self) -> str:
        caveat = f"Caveat: {self.caveat}" if self.caveat else ""
        return " ".join(filter(None, [*self.table["says"], caveat]))

    def _repr_html_(self) -> str:
        """Give the table, for a notebook."""
        return as_html("PROGRESS-Plus", [self.caveat], [table_as_html(self.table)])


def equity(evidence: Evidence) -> Equity:
    """Say what rows tell of groups who may be disadvantaged, factor by factor of PROGRESS-Plus.

    Parameters
    ----------
    evidence
        Rows with whatever columns they have.

    Returns
    -------
    Equity
        A row for each factor, told or silent.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> from bayesrtw.decision.equity import equity
    >>> found = equity(brw.run(brw.open_analysis("time-to-rtw")).evidence)
    >>> "education" in found.silent
    True
    """
    study = evidence.data["study"].to_numpy().astype(str)
    count = len(set(study))
    lines = [_told(each, evidence, study, count) for each in FACTORS]
    frame = pd.DataFrame(lines, index=pd.Index([each.name for each in FACTORS], name="factor"))
    return Equity(frame, evidence.provenance.caveat)


def _told(factor: Factor, evidence: Evidence, study: Strings, count: int) -> dict[str, object]:
    """Give what rows tell of one factor."""
    values: dict[str, str] = {}
    for column in factor.columns:
        if column in evidence.data:
            cells = evidence.data[column].to_numpy().astype(str)
            for name, cell in zip(study, cells, strict=True):
                if cell not in NOTHING:
                    values.setdefault(name, cell)
    if values:
        each = Counter(values.values())
        told = ", ".join(
            f"{value} {times}" for value, times in sorted(each.items(), key=lambda e: (-e[1], e[0]))
        )
        said = f"{len(values)} of {count} studies say it ({told})"
    else:
        values = _quoted(factor, evidence, study)
        told = "; ".join(f"{name}: {words}" for name, words in values.items())
        number = f"{len(values)} of {count} studies"
        said = (
            f"{number} {'speaks' if len(values) == 1 else 'speak'} of it ({told})" if values else ""
        )
    name = factor.name[:1].upper() + factor.name[1:]
    says = f"{name}: {said or 'the rows say nothing of it'}."
    return {"studies": len(values), "of": count, "told": told, "says": says}


def _quoted(factor: Factor, evidence: Evidence, study: Strings) -> dict[str, str]:
    """Quote the words of rows that speak of a factor, the first of each study."""
    found: dict[str, str] = {}
    if not factor.words:
        return found
    for column in WORDS:
        if column not in evidence.data:
            continue
        for name, cell in zip(study, evidence.data[column].to_numpy().astype(str), strict=True):
            hit = re.search(factor.words, cell, re.IGNORECASE)
            if hit and name not in found:
                found[name] = f"“{hit.group(0)}” in {column.replace('_', ' ')}"
    return found
