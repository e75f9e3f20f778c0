"""Calibration of analyses: their model, the design of their rows, truths from their priors."""

from concurrent.futures import Executor

from bayesrtw.analysis.catalog import evidence_of
from bayesrtw.analysis.query import selected
from bayesrtw.analysis.spec import Analysis
from bayesrtw.engine import Engine
from bayesrtw.evidence.table import Evidence
from bayesrtw.question.calibrate import Calibration, Progress, calibrate


def calibrate_analysis(
    analysis: Analysis,
    evidence: Evidence | None = None,
    *,
    engine: Engine | None = None,
    replicates: int | None = None,
    seed: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """Calibrate an analysis by simulation.

    Parameters
    ----------
    analysis
        Its rows give the design; their effects are not used.
    evidence
        In place of the data set that it names.
    engine, replicates
        As in `bayesrtw.question.calibrate.calibrate`; the analysis's own engine is not used.
    seed
        None takes the analysis's own.
    executor, progress
        As in `bayesrtw.question.calibrate.calibrate`.

    Returns
    -------
    Calibration
        Named after the analysis.

    Raises
    ------
    SpecError
        If nothing can be drawn from the model.
    EngineRefusal
        If the engine cannot fit it.
    """
    source = evidence if evidence is not None else evidence_of(analysis)
    return calibrate(
        analysis.model,
        selected(analysis, source).evidence,
        engine=engine,
        replicates=replicates,
        seed=analysis.seed if seed is None else seed,
        name=analysis.id,
        executor=executor,
        progress=progress,
    )
