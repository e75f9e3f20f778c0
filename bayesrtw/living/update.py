"""The scheduled re-analysis: what is not due gets a heartbeat, what is due is fitted.

The common case costs hashes and a line in a journal; numerical libraries are loaded only where
something is fitted.
"""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bayesrtw.errors import (
    BayesrtwError,
    ConvergenceError,
    EngineRefusal,
    EvidenceError,
    StoreError,
)
from bayesrtw.living.fresh import Standing, standing
from bayesrtw.living.inputs import Inputs, analysis_id, gather
from bayesrtw.living.journal import note
from bayesrtw.living.outcome import Ending
from bayesrtw.living.store import WAIT, Store, Writer, analyses, open_store, run_names, writing


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One analysis to bring up to date."""

    name: str  #: Id of a shipped analysis, or the path of a TOML file.
    store: Path  #: Folder of the store.
    #: Folder of data set folders, used in place of shipped ones of the same id.
    data: Path | None = None
    evidence: Path | None = None  #: One source in place of the data set that the analysis names.
    force: bool = False  #: Fit even if nothing is due.
    wait: float = WAIT  #: Seconds to wait for another writer.
    #: Whether the run gets a page for people; its figures and data are stored either way.
    report: bool = True


def beat(task: Task) -> Ending | None:
    """Give an analysis a heartbeat if nothing is due."""

    def do(store: Store, inputs: Inputs) -> Ending | None:
        if task.force or standing(store, inputs).reasons:
            return None
        with writing(store, inputs.analysis, wait=task.wait) as writer:
            found = standing(store, inputs)
            return None if found.reasons else heartbeat(writer, inputs, found)

    return _guarded(task, do)


def renew(task: Task) -> Ending:
    """Fit an analysis that is due, and store the run."""

    def do(store: Store, inputs: Inputs) -> Ending:
        from bayesrtw.living.refit import refit  # noqa: PLC0415

        with writing(store, inputs.analysis, wait=task.wait) as writer:
            found = standing(store, inputs)
            if not found.reasons and not task.force:
                return heartbeat(writer, inputs, found)
            try:
                return refit(writer, inputs, found, force=task.force, report=task.report)
            except StoreError:
                raise
            except BayesrtwError as error:
                _refuse(writer, error)
                raise

    return _guarded(task, do)


def heartbeat(
    writer: Writer, inputs: Inputs, found: Standing, *, refitted: str = "", text: str = ""
) -> Ending:
    """Note that nothing changed."""
    assert found.latest is not None
    note(
        writer,
        "heartbeat",
        run=found.latest.name,
        seen=inputs.hashes(),
        fitted=refitted or found.fitted,
        refit=bool(refitted),
    )
    return Ending(
        writer.analysis,
        0,
        "refit" if refitted else "heartbeat",
        text or "nothing is due",
        run=found.latest.name,
        conclusion=str(found.latest.manifest["result"]["class"]),
        reasons=found.reasons,
    )


def removed(store: Store, names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Name analyses that have runs in a store and are not among those that exist."""
    own = {analysis_id(name) for name in names} | set(known)
    return [name for name in analyses(store) if name not in own]


def _refuse(writer: Writer, error: BayesrtwError) -> None:
    """Note why nothing came of a look, and after which run."""
    names = run_names(writer.store, writer.analysis)
    kind = "rejected" if isinstance(error, EvidenceError) else "failed"
    note(writer, kind, message=str(error), run=names[-1] if names else None)


def _guarded[Found](task: Task, do: Callable[[Store, Inputs], Found]) -> Found | Ending:
    """Turn errors of one analysis into an outcome."""
    name = analysis_id(task.name)
    start, trace = time.monotonic(), ""
    try:
        store = open_store(task.store, create=True)
        try:
            inputs = gather(task.name, data=task.data, evidence=task.evidence)
        except BayesrtwError as error:
            # Noted where the analysis has runs, so that their readers learn why there is no newer one.
            if run_names(store, name):
                with writing(store, name, wait=task.wait) as writer:
                    _refuse(writer, error)
            raise
        return do(store, inputs)
    except EvidenceError as error:
        code, state, text = 40, "rejected", str(error)
    except (ConvergenceError, EngineRefusal) as error:
        code, state, text = 50, "gate", str(error)
    except (StoreError, BayesrtwError) as error:
        code, state, text = 1, "failed", str(error)
    except Exception as error:  # One analysis must not stop the others, whatever becomes of it.
        code, state, trace = 1, "failed", traceback.format_exc()
        text = (
            f"an error of bayesrtw itself ({type(error).__name__}: {error}); nothing was stored. Please "
            "report it with the lines that follow."
        )
    return Ending(name, code, state, text, seconds=time.monotonic() - start, trace=trace)
