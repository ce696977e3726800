import numpy as np
import pytest

from sklearn_prune._seeds import row_keys
from sklearn_prune.sample_selection import RandomSelector


def test_order_is_by_the_keys_of_the_positions():
    X = np.zeros((50, 1))
    selector = RandomSelector(random_state=4).fit(X)
    assert np.array_equal(selector.order_, np.argsort(row_keys(4, 50)))
    assert not hasattr(selector, "keys_")
    longer = RandomSelector(random_state=4).fit(np.zeros((80, 1))).order_
    assert np.array_equal(longer[longer < 50], selector.order_)


def test_bernoulli_keeps_a_share_of_random_size():
    from sklearn_prune import SampleSubsetSampler

    X, y = np.zeros((400, 1)), np.tile([0, 1], 200)
    sizes = []
    for seed in range(200):
        sampler = SampleSubsetSampler(
            RandomSelector("bernoulli"), keep=0.3, random_state=seed
        ).fit(X, y)
        keys = sampler.selector_.keys_
        assert np.array_equal(sampler.sample_mask_, keys < 0.3)
        sizes.append(len(sampler.sample_indices_))
    # 200 draws of a binomial: mean 120, standard deviation 9.17
    assert abs(np.mean(sizes) - 120) < 4 * 9.17 / np.sqrt(200)
    assert 0.8 * 9.17 < np.std(sizes) < 1.2 * 9.17


@pytest.mark.parametrize("X", [["a", "b", "c"], np.zeros((3, 2, 2)), [[1, "a"]] * 3])
def test_rows_of_any_kind_are_counted(X):
    assert sorted(RandomSelector(random_state=0).fit(X).order_) == [0, 1, 2]


def test_scheme_is_checked():
    with pytest.raises(ValueError, match="'scheme' parameter of RandomSelector must be"):
        RandomSelector("exakt").fit(np.zeros((3, 1)))
