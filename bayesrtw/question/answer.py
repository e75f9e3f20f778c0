"""The table that a verb answers with: a data frame that knows its picture and its words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd

from bayesrtw.engine.fitted import Expects
from bayesrtw.pictured import Drawing, Pictured, as_html
from bayesrtw.question.asked import About


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What a table is."""

    caption: str  #: One sentence that stands above it.
    about: About  #: What it was asked of.
    picture: str = ""  #: Name of its picture; empty for none.
    options: Mapping[str, Any] = field(default_factory=dict)  #: Of the picture.
    words: str = ""  #: What is said in place of the picture's words.


class Answer(Pictured, pd.DataFrame):  # type: ignore[misc] # its words and picture, not those of pandas
    """A data frame that knows its picture and its words.

    ``plot()`` and ``describe()`` are those of the answer and not those of pandas. What is made of it, a
    slice or a copy, is a plain data frame.

    Parameters
    ----------
    frame
        The table.
    told
        What it is.
    """

    _metadata: ClassVar[list[str]] = ["_told"]  # pandas adds it to a list

    def __init__(self, frame: pd.DataFrame, told: Told) -> None:
        super().__init__(frame)  # type: ignore[call-arg] # its stub knows `__new__` only
        self.attrs = dict(frame.attrs)
        self._told = told

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def _pictures(self) -> Mapping[str, Drawing | str]:
        told = self._told
        if not told.picture:
            return {}
        return {told.picture: Drawing((pd.DataFrame(self), told.about), told.options)}

    def _words(self) -> str:
        return f"{self._told.caption} {self._told.words}" if self._told.words else ""

    def _repr_html_(self) -> str:
        """Give the table with its caption, for a notebook."""
        return as_html(
            self._told.caption, [self._told.about.evidence.provenance.caveat], [table_as_html(self)]
        )


def table_as_html(frame: pd.DataFrame) -> str:
    """Give a data frame as pandas shows it in a notebook."""
    return str(
        pd.DataFrame(frame).to_html(max_rows=60, notebook=True, float_format="{:.4g}".format)
    )


def answered(
    frame: pd.DataFrame,
    whole: Expects | About,
    caption: str,
    *,
    picture: str = "",
    options: Mapping[str, Any] | None = None,
    words: str = "",
) -> Answer:
    """Give the table of a verb with what it is; the caption is completed with the scale of its figures."""
    scale = whole.evidence.measure.name.replace("_", " ")
    told = Told(
        f"{caption}; analysis scale ({scale}).",
        About(whole.model, whole.evidence),
        picture,
        options or {},
        words,
    )
    return Answer(frame, told)
