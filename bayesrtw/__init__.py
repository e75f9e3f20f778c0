"""Bayesian evidence synthesis of return-to-work programmes.

A model is a sum of terms, seen through a likelihood, perhaps thinned by a selection; an analysis is
a model, evidence and questions, fixed before the fit. Public names are resolved when they are first
used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayesrtw.analysis.catalog import open_analysis as open_analysis
    from bayesrtw.analysis.catalog import open_dataset as open_dataset
    from bayesrtw.analysis.run import Synthesis as Synthesis
    from bayesrtw.analysis.run import run as run
    from bayesrtw.analysis.spec import Analysis as Analysis
    from bayesrtw.engine import fit as fit
    from bayesrtw.engine.exact import Exact as Exact
    from bayesrtw.engine.nuts import Nuts as Nuts
    from bayesrtw.errors import Finding as Finding
    from bayesrtw.evidence.table import Evidence as Evidence
    from bayesrtw.model import bias as bias
    from bayesrtw.model import likelihood as likelihood
    from bayesrtw.model import mixture_prior as mixture_prior
    from bayesrtw.model import prior as prior
    from bayesrtw.model.heterogeneity import ByGroup as ByGroup
    from bayesrtw.model.heterogeneity import Common as Common
    from bayesrtw.model.heterogeneity import Exchangeable as Exchangeable
    from bayesrtw.model.interaction import Interaction as Interaction
    from bayesrtw.model.judged import JudgedBias as JudgedBias
    from bayesrtw.model.moderator import Categorical as Categorical
    from bayesrtw.model.moderator import Group as Group
    from bayesrtw.model.moderator import Indicator as Indicator
    from bayesrtw.model.moderator import Intercept as Intercept
    from bayesrtw.model.moderator import Linear as Linear
    from bayesrtw.model.simulate import simulate as simulate
    from bayesrtw.model.spec import Model as Model
    from bayesrtw.plot.calibration import plot_calibration as plot_calibration
    from bayesrtw.plot.figure import write_figure as write_figure
    from bayesrtw.plot.forest import plot_forest as plot_forest
    from bayesrtw.posterior.calibrate import calibrate as calibrate
    from bayesrtw.posterior.calibrate import judge as judge
    from bayesrtw.posterior.summarise import summarise as summarise
    from bayesrtw.posterior.within_between import within_between as within_between

_HOMES = {
    "Analysis": "bayesrtw.analysis.spec",
    "ByGroup": "bayesrtw.model.heterogeneity",
    "Categorical": "bayesrtw.model.moderator",
    "Common": "bayesrtw.model.heterogeneity",
    "Evidence": "bayesrtw.evidence.table",
    "Exact": "bayesrtw.engine.exact",
    "Exchangeable": "bayesrtw.model.heterogeneity",
    "Finding": "bayesrtw.errors",
    "Group": "bayesrtw.model.moderator",
    "Indicator": "bayesrtw.model.moderator",
    "Interaction": "bayesrtw.model.interaction",
    "Intercept": "bayesrtw.model.moderator",
    "JudgedBias": "bayesrtw.model.judged",
    "Linear": "bayesrtw.model.moderator",
    "Model": "bayesrtw.model.spec",
    "Nuts": "bayesrtw.engine.nuts",
    "Synthesis": "bayesrtw.analysis.run",
    "calibrate": "bayesrtw.posterior.calibrate",
    "fit": "bayesrtw.engine",
    "judge": "bayesrtw.posterior.calibrate",
    "open_analysis": "bayesrtw.analysis.catalog",
    "open_dataset": "bayesrtw.analysis.catalog",
    "plot_calibration": "bayesrtw.plot.calibration",
    "plot_forest": "bayesrtw.plot.forest",
    "run": "bayesrtw.analysis.run",
    "simulate": "bayesrtw.model.simulate",
    "summarise": "bayesrtw.posterior.summarise",
    "within_between": "bayesrtw.posterior.within_between",
    "write_figure": "bayesrtw.plot.figure",
}

#: Modules that are public as a whole: ``brw.prior.HalfNormal(0.25)``.
_MODULES = {
    "bias": "bayesrtw.model.bias",
    "likelihood": "bayesrtw.model.likelihood",
    "mixture_prior": "bayesrtw.model.mixture_prior",
    "prior": "bayesrtw.model.prior",
}

__all__ = sorted([*_HOMES, *_MODULES])  # noqa: PLE0605 - the one list of public names is the table above


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = import_module(_MODULES[name])
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'bayesrtw' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
