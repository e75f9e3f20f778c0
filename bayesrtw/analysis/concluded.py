"""The conclusion of a run, by the rules that its analysis registers."""

from bayesrtw.analysis.conclusion import Conclusion, conclude, sceptical_model
from bayesrtw.analysis.run import Synthesis
from bayesrtw.engine import choose, fit
from bayesrtw.engine.exact import Exact
from bayesrtw.posterior.summarise import probability_beyond
from bayesrtw.registry import encode


def conclusion(synthesis: Synthesis, *, before: str = "") -> Conclusion | None:
    """Conclude from a run, with the sceptical prior where it can matter.

    Parameters
    ----------
    synthesis
        What was run.
    before
        The class that holds until its bound is missed by the registered margin.

    Returns
    -------
    Conclusion or None
        None if the model has no pooled mean, or nobody stated which effects are good.
    """
    pooled = synthesis.analysis.model.pooled
    if pooled not in synthesis.quantities.index or not synthesis.posterior.attrs["benefit"]:
        return None
    passed = not any(finding.severity == "failed" for finding in synthesis.findings)
    analysis, tree = synthesis.analysis, synthesis.posterior
    rules = analysis.conclusion
    higher = tree.attrs["benefit"] != "lower"
    side = rules.threshold if higher else -rules.threshold
    model = sceptical_model(analysis.model, rules)
    chance = None
    if model is not None:
        engine = analysis.engine or Exact(draws=0, study_effects=False)
        sampled = engine.refuses(model, synthesis.evidence) or encode(engine)["kind"] != "exact"
        bound = rules.probable - (rules.hold if before == rules.classes[0] else 0.0)
        best = passed and probability_beyond(tree, pooled, "", side, above=higher) >= bound
        # Sampling once more is worth it only where the answer can change the class: only the best needs it.
        if not sampled or best:
            if analysis.engine is None and sampled:
                engine = choose(model, synthesis.evidence)
            other = fit(model, synthesis.evidence, engine=engine, seed=analysis.seed)
            chance = probability_beyond(other, pooled, "", side, above=higher)
    return conclude(tree, rules, sceptical=chance, passed=passed, before=before)
