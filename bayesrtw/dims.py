"""Every dimension of evidence, designs and posteriors, by its one name.

A dimension is lower-case and singular; its coordinate holds the labels a reader sees.
"""

from typing import Final

#: One reported result: study x outcome x comparison x time point.
ESTIMATE: Final = "estimate"
#: One coefficient: a covariate's slope, a level's deviation from the mean over levels, a contrast.
MODERATOR: Final = "moderator"
#: One level of a categorical moderator, written ``column[level]``.
LEVEL: Final = "level"
#: One column of the dense design matrix that is given a Gaussian prior.
COLUMN: Final = "column"
#: One quadrature node: a value of the hyperparameters with its posterior weight.
NODE: Final = "node"
#: One chain of draws.
CHAIN: Final = "chain"
#: One draw within a chain.
DRAW: Final = "draw"
