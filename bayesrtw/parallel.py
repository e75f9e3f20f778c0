"""Many independent tasks on any executor, results in the order of the tasks."""

import multiprocessing
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor


def map_tasks[Task, Result](
    function: Callable[[Task], Result], tasks: Iterable[Task], executor: Executor | None = None
) -> Iterator[Result]:
    """Apply a function to every task.

    Parameters
    ----------
    function
        A function that an executor can send away: importable, and pure.
    tasks
        Its arguments, one by one.
    executor
        Any `concurrent.futures.Executor`, e.g. of processes or of a Dask client; None works here.

    Returns
    -------
    iterator
        Results in the order of the tasks, each as soon as it and those before it are there.
    """
    return map(function, tasks) if executor is None else executor.map(function, tasks)


def processes(jobs: int) -> ProcessPoolExecutor:
    """Make an executor of processes.

    Parameters
    ----------
    jobs
        How many; >= 1.

    Returns
    -------
    ProcessPoolExecutor
        To be used in a ``with`` block.
    """
    methods = multiprocessing.get_all_start_methods()
    alone = threading.active_count() == 1
    # A fork has the libraries loaded already; it is safe only while there is one thread.
    method = "fork" if "fork" in methods and alone else "spawn"
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context(method))
