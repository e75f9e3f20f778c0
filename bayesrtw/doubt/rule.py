"""Doubts about data and the rules that raise them, in words."""

from dataclasses import dataclass
from typing import Final, Literal

#: How grave a finding about data is.
Severity = Literal["fault", "doubt", "note"]

#: From the gravest to the least.
SEVERITIES: Final[tuple[Severity, ...]] = ("fault", "doubt", "note")

#: Every rule for doubts and notes, in words.
RULES: Final[dict[str, str]] = {
    "interval-off-centre": "An estimate lies in the middle of its interval, on its own scale.",
    "p-value-disagrees": "The printed p value fits the effect and its standard error.",
    "crude-disagrees": "An estimate agrees with what the counts or means of the same people give.",
    "turned-round": "An estimate points where the counts, means or medians point.",
    "percentages-disagree": "A printed percentage is that of its counts.",
    "sd-or-se": "Standard deviations of one outcome are alike; an SE typed as SD is sqrt(n) times smaller.",
    "se-too-small": "A standard error is not smaller than this number of people allows.",
    "se-too-large": "A standard error is not larger than a handful of events would give.",
    "study-respelled": "A study has one name, in one spelling.",
    "se-implausible": "A standard error takes no more events than there are, nor a slip of its point.",
    "effect-implausible": "An effect is one that a programme can have.",
    "people-implausible": "A group has no more people than are alive.",
    "arms-unequal": "The groups of a contrast are not of quite different orders.",
    "follow-up-impossible": "Follow-up is longer than none and shorter than a life.",
    "recruitment-impossible": "Recruitment and follow-up end before the study was published.",
    "mean-impossible": "A mean of whole days is a whole number by n (GRIM), within the follow-up.",
    "sd-impossible": "A standard deviation is possible with its mean on its scale.",
    "sd-repeated": "Standard deviations do not agree in three digits.",
    "mean-baseline-repeated": "Means at baseline do not agree in three digits.",
    "people-do-not-add-up": "Not more people are analysed than the study has.",
    "same-trial-twice": "A trial stands under one name: registry number, size and year, family.",
    "same-figures": "Two studies do not share an estimate and both limits, or all four counts.",
    "two-primary-rows": "A study has one primary row an outcome and follow-up, or says what differs.",
    "direction-contradicted": "Clear results of one study do not point to benefit and harm at once.",
    "direction-unlikely": "The direction of benefit fits the outcome's name.",
    "nothing-usable": "A table has a row with an effect and a standard error at least.",
    "not-heard": "An analysis reads all that rows tell of return to work.",
    "total-row": "Rows that sum up others are no studies.",
    "direction-not-stated": "Every outcome states its direction of benefit.",
    "wrong-instrument": "Trials are judged by RoB 2, other designs by ROBINS-I.",
    "overall-too-low": "An overall judgement is at least as grave as that of every domain.",
    "judgements-missing": "Risk of bias was judged.",
    "arms-alike": "The two arms of a contrast differ in a part.",
    "not-pooled": "Every row of a review can be pooled.",
    "zero-cells": "No cell of a table of counts is empty.",
    "no-events": "In every trial somebody has the event, and somebody does not.",
    "clusters-ignored": "Standard errors of trials randomised by group allow for the groups.",
    "fractional-counts": "Events and people are whole numbers.",
    "repeated-line": "No two lines are alike in everything printed.",
    "comparison-first": "Effects are of the programme against its comparison.",
    "scale-not-stated": "Every row says what its estimate is one of.",
    "ratios-unnamed": "Ratios, as their intervals show, are named as what they are.",
    "no-standard-error": "A standard error follows from what was printed.",
    "follow-up-missing": "The length of follow-up is stated.",
}


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something about a data set that a person should look at."""

    #: ``"fault"`` (the row cannot be used), ``"doubt"`` (it is used, and may be wrong) or ``"note"``.
    severity: Severity
    #: file, row: where it stands: the file, and the line in it; 0 for the file as a whole.
    file: str
    row: int
    #: column, value: the column or columns concerned, and what stands there.
    column: str
    value: str
    rule: str  #: Short name of the rule, in kebab case; see `RULES`.
    message: str  #: A whole sentence: where, what was found, what to do.

    def __str__(self) -> str:
        return f"{self.severity}: {self.message} [{self.rule}]"
