"""The page of the parts of programmes: rules, counts, and how far a second coding agrees."""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

AGAIN = Path(__file__).resolve().parent.parent / "measured" / "components-again.csv"

OPENS = """.. _parts:

Parts of programmes
===================

What the arms of the return-to-work studies were made of: the trials' own label of a programme says
little, and usual care has parts too. For both arms of every contrast of ``rtw-trials``,
``components.csv`` says which of these parts it has, with the place of every code. Evidence carries them
as text: ``parts_t`` and ``parts_c`` (the parts of the experimental and of the control arm,
``"coordination + exercise"``, or ``"none"``), ``parts_t_unclear`` and ``parts_c_unclear`` (what the
sources leave open), and ``parts_open`` (unclear in one arm alone, so that the difference between the arms
is not known). ``open_dataset("rtw-trials").coding`` has every statement.

Three registered analyses are of them: ``time-to-rtw-components``, ``time-to-rtw-all-designs-components`` and
``at-work-components``. They ask what each part adds, whether parts add up, and whether a programme of two or
more parts is better with the workplace involved than without; ``bayesrtw run`` answers;
``bayesrtw check`` of the same name says beforehand which parts one study alone tells. A part that is unclear
in one arm alone is missing there: the model is a sum over all that such parts may be, as often as the arms of
the same side that say so; in a variant (``missing = {{ absent = true }}``) they are taken for absent. What
all arms of a study leave open is taken to be alike in all.

.. warning::

   {coder}, on {coded}. Most codes are from abstracts, which name what a programme adds and seldom what
   usual care holds; absence is easier to read there than presence, so that what is unclear is not missing
   at random. A second person's coding, from protocols, would be better than any analysis of these.

   {blind}

"""

AGREES = """The same coder coded {studies} studies (a fifth, drawn with seed 20261129) again from the same
texts, without looking at the first codes: {arms} arms. This is one person's agreement with themselves on one
evening, and most codes of either follow from the rules: it says nothing of how far two people would
agree. Codes are kept as they were first made. Cohen's kappa is of yes, no and unclear; there is none
where all codes are alike.

"""


def page() -> str:
    """Write the page from the shipped data set."""
    import bayesrtw as brw  # noqa: PLC0415
    from bayesrtw.evidence.coding import ARMS, CODES  # noqa: PLC0415

    evidence = brw.open_dataset("rtw-trials")
    coding = evidence.coding
    said = {"coder": coding.coder.capitalize(), "coded": coding.coded, "blind": coding.blind}
    text = OPENS.format(**said)
    text += "Rules\n-----\n\n" + "".join(f"* {rule}\n" for rule in coding.rules) + "\n"
    contrasts: dict[str, set[str]] = {each.study: set() for each in coding.statements}
    columns = (evidence.data[name].to_numpy() for name in ("study", "contrast"))
    for study, contrast in zip(*columns, strict=True):
        contrasts.setdefault(study, set()).add(contrast)
    head = ["Part", "Counts as having it", *(f"{arm}: {code}" for arm in ARMS for code in CODES)]
    rows = [
        [f"**{part.title}** ``{part.name}``", part.counts]
        + [
            str(count)
            for arm in ARMS
            for count in _counts(
                [
                    [coding.of(study, each, arm)[part.name] for each in own or [""]]
                    for study, own in contrasts.items()
                ],
                CODES,
            )
        ]
        for part in coding.parts
    ]
    text += f"Counts\n------\n\nOf {len(contrasts)} studies; one with several contrasts has a part "
    text += "if one of its arms has it, and is unclear if none has it and one is unclear.\n\n"
    text += _table(head, rows)
    text += "Agreement of two codings\n------------------------\n\n"
    with AGAIN.open(encoding="utf-8", newline="") as file:
        again = list(csv.DictReader(file))
    studies = len({row["study"] for row in again})
    text += AGREES.format(studies=studies, arms=len(again))
    every: list[tuple[str, str]] = []
    rows = []
    for part in coding.parts:
        pairs = [
            (
                coding.of(row["study"], row["contrast"], row["arm"])[part.name],
                next((c for c in ("yes", "no") if part.name in row[c].split(";")), "unclear"),
            )
            for row in again
        ]
        every += pairs
        rows.append([part.title, *_agreement(pairs)])
    rows.append(["**all parts**", *_agreement(every)])
    return text + _table(["Part", "Codes alike", "Kappa"], rows)


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Give Cohen's kappa (1960, doi:10.1177/001316446002000104); None if chance alone agrees always."""
    count = len(pairs)
    alike = sum(one == other for one, other in pairs) / count
    first, second = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    chance = sum(first[code] * second[code] for code in first) / count**2
    return None if chance == 1 else (alike - chance) / (1 - chance)


def _agreement(pairs: Sequence[tuple[str, str]]) -> list[str]:
    value = kappa(pairs)
    alike = sum(one == other for one, other in pairs)
    return [f"{alike} of {len(pairs)}", "" if value is None else f"{value:.2f}"]


def _counts(studies: Iterable[Sequence[str]], codes: Sequence[str]) -> list[int]:
    """Count studies by code."""
    order = ("yes", "unclear", "no")
    found = Counter(min(each, key=order.index) for each in studies)
    return [found[code] for code in codes]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", "   :class: parts", ""]
    for row in (head, *rows):
        lines += [f"   {'*' if place == 0 else ' '} - {cell}" for place, cell in enumerate(row)]
    return "\n".join(lines) + "\n\n"
