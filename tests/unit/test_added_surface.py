"""Series of sites that see one mean, added up: held against the densities themselves."""

import numpy as np

from bayesrtw.engine.surface import same_mean, surface

EVENTS = np.array([3.0, 0.0, 11.0, 7.0, 2.0])
PEOPLE = np.array([20.0, 35.0, 40.0, 9.0, 12.0])


def binomial(mean, variance, rows):
    """Log density of events on the logit scale; the variance widens nothing here."""
    return EVENTS[rows] * mean - PEOPLE[rows] * np.logaddexp(0.0, mean) + 0.0 * variance


def laid(alike):
    """Lay five sites at two points, those that see one mean with ends of their own."""
    low = np.array([[-3.0, -4.0, -3.0, -2.0, -3.5], [-2.0, -2.5, -2.0, -2.0, -2.5]])
    rows = np.arange(5)
    return surface(binomial, rows, np.ones((2, 5)), low, low + 5.0, alike=alike)


def test_sums_are_those_of_the_densities():
    columns = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    offset = np.zeros((2, 5))
    offset[:, 4] = 0.1
    alike = same_mean(columns, offset, np.zeros(5, dtype=bool))
    assert alike.tolist() == [0, 1, 0, 1, 4]
    rows = np.array([1, 2, 3, 4])  # The first of a sum may be no part of it.
    sums, rest = laid(alike).added(rows)
    assert sums.rows.tolist() == [0, 1, 4]
    assert not len(rest)
    b = np.random.default_rng(1).uniform(-1.5, 0.5, (2, 7, 2))
    mean = b @ columns.T + offset[:, None]
    found = sums.at(mean[..., sums.rows], slice(None), sums.rows, rough=True).sum(axis=-1)
    np.testing.assert_allclose(found, binomial(mean[..., rows], 0.0, rows).sum(axis=-1), rtol=1e-9)


def test_sites_whose_estimates_move_apart_are_not_added():
    by = np.array([0.0, 0.0, 0.4, 0.0, -0.2])

    def density(mean, variance, rows):
        return binomial(mean - by[rows], variance, rows)

    moved = laid(np.array([0, 1, 0, 1, 0])).moved(density, by)
    sums, _ = moved.added(np.arange(5))
    mean = np.broadcast_to(np.linspace(-1.5, 0.5, 9)[None, :, None], (2, 9, 5))
    found = sums.at(mean[..., sums.rows], slice(None), sums.rows, rough=True).sum(axis=-1)
    np.testing.assert_allclose(found, density(mean, 0.0, np.arange(5)).sum(axis=-1), rtol=1e-9)
