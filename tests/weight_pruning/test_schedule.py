"""Schedules: how much each round leaves."""

import numpy as np
import pytest

from sklearn_prune.weight_pruning import IterativeSchedule


@pytest.mark.parametrize("keep", [0.9, 0.2, 0.001])
@pytest.mark.parametrize("n_steps", [1, 2, 7])
def test_each_round_leaves_the_same_share(keep, n_steps):
    shares = np.array([1.0, *IterativeSchedule(n_steps).shares(keep)])
    assert len(shares) == n_steps + 1
    assert shares[-1] == keep
    np.testing.assert_allclose(shares[1:] / shares[:-1], keep ** (1 / n_steps))
