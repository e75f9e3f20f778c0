"""Bayesian evidence synthesis of return-to-work programmes.

A model is a sum of terms, seen through a likelihood, perhaps thinned by a selection; an analysis is
a model, evidence and questions, fixed before the fit. Public names are resolved when they are first
used, so that importing the package costs nothing.
"""

from importlib import import_module
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
    from bayesrtw.model.moderator import Indicator as Indicator
    from bayesrtw.model.moderator import Intercept as Intercept
    from bayesrtw.model.moderator import Linear as Linear
    from bayesrtw.model.simulate import simulate as simulate
    from bayesrtw.model.spec import Model as Model
    from bayesrtw.model.term import Group as Group
    from bayesrtw.plot.bias_summary import describe_bias_summary as describe_bias_summary
    from bayesrtw.plot.bias_summary import plot_bias_summary as plot_bias_summary
    from bayesrtw.plot.bubble import describe_bubble as describe_bubble
    from bayesrtw.plot.bubble import plot_bubble as plot_bubble
    from bayesrtw.plot.calibration import plot_calibration as plot_calibration
    from bayesrtw.plot.categories import describe_categories as describe_categories
    from bayesrtw.plot.categories import plot_categories as plot_categories
    from bayesrtw.plot.claims import describe_claims as describe_claims
    from bayesrtw.plot.claims import plot_claims as plot_claims
    from bayesrtw.plot.cumulative import describe_cumulative as describe_cumulative
    from bayesrtw.plot.cumulative import plot_cumulative as plot_cumulative
    from bayesrtw.plot.figure import write_figure as write_figure
    from bayesrtw.plot.forest import describe_forest as describe_forest
    from bayesrtw.plot.forest import plot_forest as plot_forest
    from bayesrtw.plot.funnel import describe_funnel as describe_funnel
    from bayesrtw.plot.funnel import plot_funnel as plot_funnel
    from bayesrtw.plot.history import describe_history as describe_history
    from bayesrtw.plot.history import plot_history as plot_history
    from bayesrtw.plot.ladder import describe_ladder as describe_ladder
    from bayesrtw.plot.ladder import plot_ladder as plot_ladder
    from bayesrtw.plot.leave_one_out import describe_leave_one_out as describe_leave_one_out
    from bayesrtw.plot.leave_one_out import plot_leave_one_out as plot_leave_one_out
    from bayesrtw.plot.new_setting import describe_new_setting as describe_new_setting
    from bayesrtw.plot.new_setting import plot_new_setting as plot_new_setting
    from bayesrtw.plot.prior_panel import describe_prior_panel as describe_prior_panel
    from bayesrtw.plot.prior_panel import plot_prior_panel as plot_prior_panel
    from bayesrtw.plot.prior_posterior import describe_prior_posterior as describe_prior_posterior
    from bayesrtw.plot.prior_posterior import plot_prior_posterior as plot_prior_posterior
    from bayesrtw.plot.specification_curve import (
        describe_specification_curve as describe_specification_curve,
    )
    from bayesrtw.plot.specification_curve import (
        plot_specification_curve as plot_specification_curve,
    )
    from bayesrtw.plot.tau import describe_tau as describe_tau
    from bayesrtw.plot.tau import plot_tau as plot_tau
    from bayesrtw.plot.tipping import describe_tipping as describe_tipping
    from bayesrtw.plot.tipping import plot_tipping as plot_tipping
    from bayesrtw.plot.traffic_light import describe_traffic_light as describe_traffic_light
    from bayesrtw.plot.traffic_light import plot_traffic_light as plot_traffic_light
    from bayesrtw.posterior.summarise import summarise as summarise
    from bayesrtw.question.calibrate import calibrate as calibrate
    from bayesrtw.question.calibrate import judge as judge
    from bayesrtw.question.predictive import predictive_check as predictive_check
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
    "Finding": "bayesrtw.errors",
    "Group": "bayesrtw.model.term",
    "Indicator": "bayesrtw.model.moderator",
    "Interaction": "bayesrtw.model.interaction",
    "Intercept": "bayesrtw.model.moderator",
    "JudgedBias": "bayesrtw.model.judged",
    "Linear": "bayesrtw.model.moderator",
    "Model": "bayesrtw.model.spec",
    "Nuts": "bayesrtw.engine.nuts",
    "Synthesis": "bayesrtw.analysis.run",
    "calibrate": "bayesrtw.question.calibrate",
    "cumulative": "bayesrtw.question.sensitivity",
    "describe_bias_summary": "bayesrtw.plot.bias_summary",
    "describe_bubble": "bayesrtw.plot.bubble",
    "describe_categories": "bayesrtw.plot.categories",
    "describe_claims": "bayesrtw.plot.claims",
    "describe_cumulative": "bayesrtw.plot.cumulative",
    "describe_forest": "bayesrtw.plot.forest",
    "describe_funnel": "bayesrtw.plot.funnel",
    "describe_history": "bayesrtw.plot.history",
    "describe_ladder": "bayesrtw.plot.ladder",
    "describe_leave_one_out": "bayesrtw.plot.leave_one_out",
    "describe_new_setting": "bayesrtw.plot.new_setting",
    "describe_prior_panel": "bayesrtw.plot.prior_panel",
    "describe_prior_posterior": "bayesrtw.plot.prior_posterior",
    "describe_specification_curve": "bayesrtw.plot.specification_curve",
    "describe_tau": "bayesrtw.plot.tau",
    "describe_tipping": "bayesrtw.plot.tipping",
    "describe_traffic_light": "bayesrtw.plot.traffic_light",
    "fit": "bayesrtw.engine",
    "hold_against": "bayesrtw.analysis.against",
    "judge": "bayesrtw.question.calibrate",
    "ladder": "bayesrtw.analysis.ladder",
    "leave_one_out": "bayesrtw.question.sensitivity",
    "open_analysis": "bayesrtw.analysis.catalog",
    "open_brief": "bayesrtw.analysis.catalog",
    "open_dataset": "bayesrtw.analysis.catalog",
    "outlook": "bayesrtw.analysis.outlook",
    "plot_bias_summary": "bayesrtw.plot.bias_summary",
    "plot_bubble": "bayesrtw.plot.bubble",
    "plot_calibration": "bayesrtw.plot.calibration",
    "plot_categories": "bayesrtw.plot.categories",
    "plot_claims": "bayesrtw.plot.claims",
    "plot_cumulative": "bayesrtw.plot.cumulative",
    "plot_forest": "bayesrtw.plot.forest",
    "plot_funnel": "bayesrtw.plot.funnel",
    "plot_history": "bayesrtw.plot.history",
    "plot_ladder": "bayesrtw.plot.ladder",
    "plot_leave_one_out": "bayesrtw.plot.leave_one_out",
    "plot_new_setting": "bayesrtw.plot.new_setting",
    "plot_prior_panel": "bayesrtw.plot.prior_panel",
    "plot_prior_posterior": "bayesrtw.plot.prior_posterior",
    "plot_specification_curve": "bayesrtw.plot.specification_curve",
    "plot_tau": "bayesrtw.plot.tau",
    "plot_tipping": "bayesrtw.plot.tipping",
    "plot_traffic_light": "bayesrtw.plot.traffic_light",
    "predictive_check": "bayesrtw.question.predictive",
    "prior_sensitivity": "bayesrtw.question.sensitivity",
    "run": "bayesrtw.analysis.run",
    "sensitivity": "bayesrtw.analysis.sensitivity",
    "simulate": "bayesrtw.model.simulate",
    "summarise": "bayesrtw.posterior.summarise",
    "within_between": "bayesrtw.question.within_between",
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
