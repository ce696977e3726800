"""Nearest points by numpy."""

import numpy as np
import pytest

from sklearn_prune.predictors.distances import Search


@pytest.mark.parametrize("n_points", [1, 2, 7, 40, 333, 2000])
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
@pytest.mark.parametrize("whole", [False, True])
def test_nearest_points_are_those_of_all_distances(n_points, metric, whole):
    """Whole numbers make ties, of which the first point is taken."""
    rng = np.random.default_rng(n_points)
    points, rows = rng.normal(size=(n_points, 3)), rng.normal(size=(50, 3))
    if whole:
        points, rows = np.round(2 * points), np.round(2 * rows)
    for k in {1, min(5, n_points), n_points}:
        positions, distances = Search(points, metric, {}).nearest(rows, k)
        squared = np.add.accumulate((rows[:, None] - points) ** 2, axis=-1)[..., -1]
        found = squared if metric == "sqeuclidean" else np.sqrt(squared)
        expected = np.argsort(found, axis=1, kind="stable")[:, :k]
        np.testing.assert_array_equal(positions, expected)
        np.testing.assert_array_equal(
            distances, np.take_along_axis(found, expected, axis=1)
        )
