"""Cells of known columns as this package writes them: designs, p values, counts."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

#: Columns that count.
_COUNTED: Final = frozenset({"events", "non_events", "n"})

#: A whole number whose thousands are parted by a point.
_PARTED: Final = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")

#: Designs as papers write them, in lower case without marks, to their names in this package.
_DESIGNS: Final = {
    words: name
    for name, written in {
        "rct": "rct; rcts; randomised controlled trial; randomized controlled trial; randomised trial; "
        "randomized trial; randomised; randomized; eca; ecr; individually randomised trial",
        "cluster_rct": "cluster rct; cluster randomised trial; cluster randomized trial; c rct; crct; "
        "cluster randomised controlled trial; cluster randomized controlled trial",
        "crossover_rct": "crossover rct; cross over rct; randomised crossover trial",
        "non_randomised": "non randomised; non randomized; nonrandomised; nonrandomized; "
        "non randomised trial; non randomized trial; quasi experimental; quasi experiment",
        "cohort": "cohort; cohort study; kohorte; kohort; kohortenstudie; cohorte; coorte; "
        "cohortonderzoek; prospective cohort; retrospective cohort; prospective cohort study; "
        "retrospective cohort study",
    }.items()
    for words in written.split("; ")
}


def cleaned(role: str, cells: Sequence[str]) -> list[str]:
    """Write designs by their names here, and p values without their letter, with a point as decimal mark.

    Parameters
    ----------
    role
        Column of this package.
    cells
        Its cells.

    Returns
    -------
    list of str
        The cells as this package writes them.
    """
    if role == "design":
        return [
            _DESIGNS.get(re.sub(r"[\W_]+", " ", cell.casefold()).strip(), cell) for cell in cells
        ]
    if role != "p_value":
        return list(cells)
    plain = [cell.lstrip("pP ").removeprefix("-value").lstrip(" ") for cell in cells]
    return [re.sub(r",(?=\d)", ".", cell) for cell in plain]


def counted(columns: dict[str, list[str]], roles: Mapping[str, str]) -> list[str]:
    """Write counts whose points can only part thousands without them, and say so.

    Parameters
    ----------
    columns
        Heading to cells; those of counts are changed in place.
    roles
        Column of this package to heading.

    Returns
    -------
    list of str
        What was changed, in words.
    """
    said = []
    for role, heading in roles.items():
        cells = columns.get(heading, [])
        marked = [cell for cell in cells if _PARTED.fullmatch(cell)]
        if not marked or role.removesuffix("_t").removesuffix("_c") not in _COUNTED:
            continue
        whole = any(map(str.isdigit, cells))
        if whole and all(cell.isdigit() or _PARTED.fullmatch(cell) for cell in cells if cell):
            columns[heading] = [cell.replace(".", "") for cell in cells]
            said.append(f"{marked[0]!r} of {heading!r} is {marked[0].replace('.', '')}")
    return said
