"""Bayesian evidence synthesis of return-to-work programmes.

A model is a sum of terms, seen through a likelihood, perhaps thinned by a selection; an analysis is
a model, evidence and questions, fixed before the fit. Public names are resolved when they are first
used, so that importing the package costs nothing.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayesrtw.analysis.against import hold_against as hold_against
    from bayesrtw.analysis.catalog import open_analysis as open_analysis
    from bayesrtw.analysis.catalog import open_brief as open_brief
    from bayesrtw.analysis.catalog import open_dataset as open_dataset
    from bayesrtw.analysis.ladder import ladder as ladder
    from bayesrtw.analysis.outlook import outlook as outlook
    from bayesrtw.analysis.run import Synthesis as Synthesis
    from bayesrtw.analysis.run import run as run
    from bayesrtw.analysis.sensitivity import sensitivity as sensitivity
    from bayesrtw.analysis.severity import severity as severity
    from bayesrtw.analysis.spec import Analysis as Analysis
    from bayesrtw.analysis.tipping import tipping as tipping
    from bayesrtw.engine import fit as fit
    from bayesrtw.engine.exact import Exact as Exact
    from bayesrtw.engine.nuts import Nuts as Nuts
    from bayesrtw.evidence.table import Evidence as Evidence
    from bayesrtw.model import bias as bias
    from bayesrtw.model import likelihood as likelihood
    from bayesrtw.model import prior as prior
    from bayesrtw.model import selection as selection
    from bayesrtw.model import terms as terms
    from bayesrtw.model.heterogeneity import ByGroup as ByGroup
    from bayesrtw.model.heterogeneity import Common as Common
    from bayesrtw.model.heterogeneity import Exchangeable as Exchangeable
    from bayesrtw.model.interaction import Interaction as Interaction
    from bayesrtw.model.moderator import Categorical as Categorical
    from bayesrtw.model.moderator import Indicator as Indicator
    from bayesrtw.model.moderator import Intercept as Intercept
    from bayesrtw.model.moderator import Linear as Linear
    from bayesrtw.model.simulate import simulate as simulate
    from bayesrtw.model.spec import Model as Model
    from bayesrtw.model.term import Group as Group
    from bayesrtw.plot.bubble import plot_bubble as plot_bubble
    from bayesrtw.plot.figure import write_figure as write_figure
    from bayesrtw.plot.forest import plot_forest as plot_forest
    from bayesrtw.posterior.summarise import summarise as summarise
    from bayesrtw.question import currencies as currencies
    from bayesrtw.question import network as network
    from bayesrtw.question.calibrate import calibrate as calibrate
    from bayesrtw.question.calibrate import judge as judge
    from bayesrtw.question.classical import classical as classical
    from bayesrtw.question.compare import compare as compare
    from bayesrtw.question.influence import influence as influence
    from bayesrtw.question.predict import predict as predict
    from bayesrtw.question.predictive import predictive_check as predictive_check
    from bayesrtw.question.scaling import power_scaling as power_scaling
    from bayesrtw.question.sensitivity import cumulative as cumulative
    from bayesrtw.question.sensitivity import leave_one_out as leave_one_out
    from bayesrtw.question.sensitivity import prior_sensitivity as prior_sensitivity
    from bayesrtw.question.within_between import within_between as within_between

_HOMES = {
    "Analysis": "bayesrtw.analysis.spec",
    "ByGroup": "bayesrtw.model.heterogeneity",
    "Categorical": "bayesrtw.model.moderator",
    "Common": "bayesrtw.model.heterogeneity",
    "Evidence": "bayesrtw.evidence.table",
    "Exact": "bayesrtw.engine.exact",
    "Exchangeable": "bayesrtw.model.heterogeneity",
    "Group": "bayesrtw.model.term",
    "Indicator": "bayesrtw.model.moderator",
    "Interaction": "bayesrtw.model.interaction",
    "Intercept": "bayesrtw.model.moderator",
    "Linear": "bayesrtw.model.moderator",
    "Model": "bayesrtw.model.spec",
    "Nuts": "bayesrtw.engine.nuts",
    "Synthesis": "bayesrtw.analysis.run",
    "calibrate": "bayesrtw.question.calibrate",
    "classical": "bayesrtw.question.classical",
    "compare": "bayesrtw.question.compare",
    "cumulative": "bayesrtw.question.sensitivity",
    "fit": "bayesrtw.engine",
    "hold_against": "bayesrtw.analysis.against",
    "influence": "bayesrtw.question.influence",
    "judge": "bayesrtw.question.calibrate",
    "ladder": "bayesrtw.analysis.ladder",
    "leave_one_out": "bayesrtw.question.sensitivity",
    "open_analysis": "bayesrtw.analysis.catalog",
    "open_brief": "bayesrtw.analysis.catalog",
    "open_dataset": "bayesrtw.analysis.catalog",
    "outlook": "bayesrtw.analysis.outlook",
    "plot_bubble": "bayesrtw.plot.bubble",
    "plot_forest": "bayesrtw.plot.forest",
    "power_scaling": "bayesrtw.question.scaling",
    "predict": "bayesrtw.question.predict",
    "predictive_check": "bayesrtw.question.predictive",
    "prior_sensitivity": "bayesrtw.question.sensitivity",
    "run": "bayesrtw.analysis.run",
    "sensitivity": "bayesrtw.analysis.sensitivity",
    "severity": "bayesrtw.analysis.severity",
    "simulate": "bayesrtw.model.simulate",
    "summarise": "bayesrtw.posterior.summarise",
    "tipping": "bayesrtw.analysis.tipping",
    "within_between": "bayesrtw.question.within_between",
    "write_figure": "bayesrtw.plot.figure",
}

#: Modules that are public as a whole: ``brw.prior.HalfNormal(0.25)``.
_MODULES = {
    "bias": "bayesrtw.model.bias",
    "currencies": "bayesrtw.question.currencies",
    "likelihood": "bayesrtw.model.likelihood",
    "network": "bayesrtw.question.network",
    "prior": "bayesrtw.model.prior",
    "selection": "bayesrtw.model.selection",
    "terms": "bayesrtw.model.terms",
}

__all__ = sorted([*_HOMES, *_MODULES])  # noqa: PLE0605 - the one list of public names is the table above


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = import_module(_MODULES[name])
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'bayesrtw' has no attribute {name!r}{_moved(name)}")
    globals()[name] = value
    return value


def _moved(name: str) -> str:
    """Say where something is that has no public name of its own."""
    within = [module for module, home in _MODULES.items() if name in dir(import_module(home))]
    if within:
        return f"; it is bayesrtw.{within[0]}.{name}"
    verb, _, kind = name.partition("_")
    home = f"bayesrtw.plot.{kind}"
    if verb not in ("plot", "describe") or find_spec(home) is None:
        return ""
    if not hasattr(import_module(home), name):
        return ""
    return (
        f"; ask what it is of, result.{verb}() or synthesis.{verb}({kind!r}), or import it: "
        f"from {home} import {name}"
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
