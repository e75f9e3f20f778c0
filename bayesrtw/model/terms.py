"""All terms of a model by name: ``brw.terms.Spline``."""

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from bayesrtw import model
from bayesrtw.registry import kinds, suggestion


def _found() -> dict[str, type]:
    """Give every term by the name of its class."""
    for home in iter_modules(model.__path__):
        import_module(f"{model.__name__}.{home.name}")
    return {each.__name__: each for each in kinds("term").values()}


def __dir__() -> list[str]:
    """Complete to terms."""
    return sorted(_found())


if not TYPE_CHECKING:  # so that a wrong name stays an error of types

    def __getattr__(name: str) -> type:
        found = _found()
        if name.startswith("__") or name not in found:
            raise AttributeError(
                f"module {__name__!r} has no {name!r}; {suggestion(name, sorted(found))}"
            )
        return found[name]
