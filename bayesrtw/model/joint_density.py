"""The normal density of estimates that are seen together, with its gradient, as one operation of a graph.

PyTensor's own Cholesky decomposition of a stack of matrices takes a minute and a half to compile; these loops
take seconds, and give the same bits wherever they were compiled. Loaded inside `pymc()` methods only.
"""

import hashlib
import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

Array = NDArray[np.float64]

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def density(
    rows: NDArray[np.intp],
    first: NDArray[np.intp],
    among: Array,
    sampling: Array,
    loading: Array,
    residual: Array,
) -> tuple[float, Array, Array, Array]:
    """Log density of residuals, set by set, and its derivatives.

    `rows`, `first` (row,); `among` (effect, estimate, member); `sampling` (estimate, member); `loading`
    (effect, estimate); `residual` (estimate,); gives (estimate, member).
    """
    width = sampling.shape[1]
    by_sampling, by_loading = np.zeros(sampling.shape), np.zeros(loading.shape)
    by_residual = np.zeros(residual.shape)
    # The Cholesky factor of one set, and its inverse.
    factor, inverse = np.zeros((width, width)), np.zeros((width, width))
    total, start = 0.0, 0
    while start < len(rows):
        stop = start + 1
        while stop < len(rows) and first[stop] == first[start]:
            stop += 1
        size, own = stop - start, rows[start:stop]
        for i in range(size):
            for j in range(i + 1):
                left = sampling[own[i], j]
                for effect in range(len(loading)):
                    both = loading[effect, own[i]] * loading[effect, own[j]]
                    left += both * among[effect, own[i], j]
                for k in range(j):
                    left -= factor[i, k] * factor[j, k]
                if j < i:
                    factor[i, j] = left / factor[j, j]
                elif left > 0.0:
                    factor[i, i] = math.sqrt(left)
                else:
                    return -np.inf, by_sampling, by_loading, by_residual
            for j in range(i):
                left = 0.0
                for k in range(j, i):
                    left -= factor[i, k] * inverse[k, j]
                inverse[i, j] = left / factor[i, i]
            inverse[i, i] = 1.0 / factor[i, i]
            scaled = 0.0
            for j in range(i + 1):
                scaled += inverse[i, j] * residual[own[j]]
            total -= HALF_LOG_2PI + math.log(factor[i, i]) + 0.5 * scaled * scaled
            for j in range(i + 1):
                by_residual[own[j]] -= inverse[i, j] * scaled
        for i in range(size):
            for j in range(size):
                left = by_residual[own[i]] * by_residual[own[j]]
                for k in range(max(i, j), size):
                    left -= inverse[k, i] * inverse[k, j]
                by_sampling[own[i], j] = 0.5 * left
                for effect in range(len(loading)):
                    other = left * loading[effect, own[j]]
                    by_loading[effect, own[i]] += other * among[effect, own[i], j]
        start = stop
    return total, by_sampling, by_loading, by_residual


class JointDensity(Op):  # type: ignore[misc]
    """`density` in a graph; the derivatives are outputs that only gradients read."""

    __props__ = ()

    def make_node(self, *arguments: Any) -> Any:
        """See PyTensor."""
        inputs = [pt.as_tensor_variable(each) for each in arguments]
        return Apply(self, inputs, [pt.dscalar(), *(each.type() for each in inputs[3:])])

    def perform(self, node: Any, inputs: Sequence[Any], output_storage: Any) -> None:  # noqa: ARG002
        """See PyTensor."""
        for place, value in enumerate(density(*inputs)):
            output_storage[place][0] = np.asarray(value)

    def connection_pattern(self, node: Any) -> list[list[bool]]:  # noqa: ARG002
        """See PyTensor."""
        return [[place >= 3, False, False, False] for place in range(6)]

    def pullback(
        self,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        cotangents: Sequence[Any],
    ) -> list[Any]:
        """See PyTensor."""
        return [
            *(disconnected_type() for _ in inputs[:3]),
            *(cotangents[0] * each for each in outputs[1:]),
        ]


@register_funcify_default_op_cache_key(JointDensity)  # type: ignore[untyped-decorator]
def _compiled(op: JointDensity, **_: Any) -> tuple[Any, int]:  # noqa: ARG001
    """Give the loops to Numba, with a key of the source so that no older version is taken from a cache."""
    loops = numba_njit(density)

    @numba_njit  # type: ignore[untyped-decorator]
    def joint_density(
        rows: Any, first: Any, among: Any, sampling: Any, loading: Any, residual: Any
    ) -> Any:
        total, by_sampling, by_loading, by_residual = loops(
            rows, first, among, sampling, loading, residual
        )
        return np.array(total), by_sampling, by_loading, by_residual

    source = hashlib.sha256(inspect.getsource(density).encode())
    return joint_density, int(source.hexdigest()[:15], 16)
