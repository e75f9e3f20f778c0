"""Questions to networks of treatments: ``brw.network.league(synthesis)``."""

from bayesrtw.question.classes import Classes, classes
from bayesrtw.question.designs import Designs, designs
from bayesrtw.question.edges import NetworkGraph, graph
from bayesrtw.question.from_baseline import AbsoluteEffects, absolute
from bayesrtw.question.inconsistency import Splits, Unrelated, splits, unrelated
from bayesrtw.question.league import League, league
from bayesrtw.question.parts import PartsTold, parts
from bayesrtw.question.ranking import Ranks, ranks
from bayesrtw.question.transitivity import Transitivity, transitivity

__all__ = [
    "AbsoluteEffects",
    "Classes",
    "Designs",
    "League",
    "NetworkGraph",
    "PartsTold",
    "Ranks",
    "Splits",
    "Transitivity",
    "Unrelated",
    "absolute",
    "classes",
    "designs",
    "graph",
    "league",
    "parts",
    "ranks",
    "splits",
    "transitivity",
    "unrelated",
]
