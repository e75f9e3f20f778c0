"""Results that know their pictures and their words.

A result names its pictures. Each is drawn by ``plot_<name>`` and told by ``describe_<name>`` of
``bayesrtw.plot.<name>``, which is loaded by that name when it is asked for: no room below `plot` imports it.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import import_module
from typing import Any

from bayesrtw.errors import SpecError, shown
from bayesrtw.registry import suggestion


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a picture is given before the options of who asks for it."""

    given: tuple[Any, ...]  #: Arguments by place.
    #: Arguments by name that may be given otherwise.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Argument to what it may be: a single choice is taken, one of several has to be named.
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    drawn_by: str = ""  #: Whose picture it is, where not that of its own name.


class Pictured:
    """What can be drawn and put in words: ``result.plot()``, ``result.describe()``."""

    __slots__ = ()

    def _pictures(self) -> Mapping[str, Drawing | str]:
        """Name the pictures, the usual one first; where there is one for others, say why not for this."""
        return {}

    def _words(self) -> str:
        """Say what there is to say, unless it is what the usual picture says."""
        return ""

    def plot(self, kind: str = "", **options: Any) -> Any:
        """Draw a picture of the result.

        Parameters
        ----------
        kind
            Which; the usual one unless given. An unknown one is answered with the choices.
        **options
            As of ``plot_<kind>`` in ``bayesrtw.plot.<kind>``, e.g. `width_mm`, `ax`, `ci_prob`.

        Returns
        -------
        Axes
            Of the picture; one of several panels is a Figure.

        Raises
        ------
        SpecError
            If there is no such picture of this result, or it has no such option.
        """
        return _ask(self, "plot", kind, options)

    def describe(self, kind: str = "", **options: Any) -> str:
        """Put a picture of the result in words.

        Parameters
        ----------
        kind
            As of `plot`.
        **options
            As of ``describe_<kind>`` in ``bayesrtw.plot.<kind>``.

        Returns
        -------
        str
            Sentences.

        Raises
        ------
        SpecError
            As of `plot`.
        """
        words = "" if kind or options else self._words()
        return words or str(_ask(self, "describe", kind, options))


def _ask(result: Pictured, verb: str, kind: str, options: Mapping[str, Any]) -> Any:
    """Find the function of a picture by its name, and call it."""
    every, name = result._pictures(), type(result).__name__
    there = [each for each, picture in every.items() if isinstance(picture, Drawing)]
    if not there:
        why = next((str(each) for each in every.values()), "describe() says what it holds")
        raise SpecError(f"{name}.{verb}: there is no picture of it; {why}.")
    kind = kind or there[0]
    picture = every.get(kind)
    if picture is None:
        raise SpecError(f"{name}.{verb}: kind is {kind!r}; {suggestion(kind, there)}")
    if not isinstance(picture, Drawing):
        raise SpecError(
            f"{name}.{verb}({kind!r}): {picture}; there are {shown(there, len(there))}."
        )
    own = picture.drawn_by or kind
    function = getattr(import_module(f"bayesrtw.plot.{own}"), f"{verb}_{own}")
    return function(
        *picture.given, **_options(function, picture, f"{name}.{verb}({kind!r})", options)
    )


def _options(
    function: Callable[..., Any], picture: Drawing, where: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Complete the options of a picture, and refuse those that it does not have."""
    own = list(inspect.signature(function).parameters)[len(picture.given) :]
    odd = [name for name in options if name not in own]
    if odd:
        raise SpecError(f"{where} has no option {odd[0]!r}; {suggestion(odd[0], own)}")
    found = {name: value for name, value in picture.options.items() if name in own}
    for name, choices in picture.choices.items():
        if len(choices) == 1:
            found[name] = choices[0]
        elif name not in options:
            raise SpecError(f"{where}: {name} is not given; name one of {shown(sorted(choices))}.")
    return found | dict(options)


def as_html(title: str, said: Sequence[str], tables: Sequence[str] = ()) -> str:
    """Put a heading, paragraphs of text and tables that are HTML already into what a notebook shows."""
    head = f"<p><strong>{escape(title)}</strong></p>"
    text = "".join(f"<p>{escape(each)}</p>" for each in said if each)
    return f"<div>{head}{text}{''.join(tables)}</div>"


def rows_as_html(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Put rows of text into a table."""
    head = "".join(f"<th>{escape(each)}</th>" for each in headings)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
