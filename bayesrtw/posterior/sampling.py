"""Libraries that only samples of a posterior need: loaded when they are asked for, named where they lack."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from bayesrtw.errors import EngineRefusal

#: What samples, and what judges samples: module and the package that brings it. All else runs without them.
LIBRARIES: Final = {"arviz_stats": "arviz", "nutpie": "nutpie", "pymc": "pymc"}


def lacking() -> str | None:
    """Say what NUTS needs and is not installed."""
    absent = [package for module, package in LIBRARIES.items() if find_spec(module) is None]
    if not absent:
        return None
    return (
        f"NUTS and its diagnostics need {', '.join(absent)}, which {'is' if len(absent) == 1 else 'are'} not "
        f"installed; install with: pip install {' '.join(absent)}."
    )


def arviz() -> Any:
    """Load what judges and summarises samples."""
    absent = lacking()
    if absent is not None and find_spec("arviz_stats") is None:
        raise EngineRefusal(absent)
    return import_module("arviz_stats")
