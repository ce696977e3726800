import numpy as np
import pytest

from sklearn_prune import _coverage as coverage


@pytest.fixture
def cloud():
    return np.random.default_rng(0).normal(size=(300, 5))


def squared_distances(points):
    return ((points[:, None] - points) ** 2).sum(axis=-1)


def naive_kernel(points):
    squared = squared_distances(points)
    some = squared[:: max(1, len(points) // 200)]
    h = np.median(some[some > 0])
    return sum(np.exp(-squared * scale / h) for scale in (1, 5, 20)) / 3


def test_the_kernel_is_the_mean_of_three():
    points = 5 + 3 * np.random.default_rng(1).normal(size=(70, 4))
    np.testing.assert_allclose(
        coverage.multiscale_kernel(points), naive_kernel(points), atol=2e-5
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_herding_is_greedy(cloud, weighted):
    rng = np.random.default_rng(2)
    weights = rng.integers(1, 5, 300) * 1.0 if weighted else None
    order = coverage.herding_order(cloud, seed=0, sample_weight=weights)
    assert sorted(order) == list(range(300))
    kernel = naive_kernel(cloud)
    mean = np.average(kernel, axis=0, weights=weights)
    for t, row in enumerate(order):
        values = mean * (t + 1) - kernel[order[:t]].sum(axis=0)
        values[order[:t]] = -np.inf
        assert values[row] > values.max() - 1e-4


def test_herding_follows_the_weights():
    points = np.repeat([[0.0], [10.0]], 50, axis=0) + np.linspace(0, 1, 100)[:, None]
    weights = np.repeat([1.0, 4.0], 50)
    first = coverage.herding_order(points, seed=0, sample_weight=weights)[:10]
    assert (first >= 50).sum() == 8


def test_herding_in_blocks_interleaves_equal_parts(cloud):
    order = coverage.herding_order(cloud, seed=3, block=100)
    assert sorted(order) == list(range(300))
    assert np.array_equal(order, coverage.herding_order(cloud, seed=3, block=100, n_jobs=2))
    assert not np.array_equal(order, coverage.herding_order(cloud, seed=4, block=100))
    kernel = naive_kernel(cloud)

    def discrepancy(rows):
        gap = np.bincount(rows, minlength=300) / len(rows) - 1 / 300
        return gap @ kernel @ gap

    random = [np.random.default_rng(s).permutation(300)[:30] for s in range(20)]
    assert discrepancy(order[:30]) < 0.9 * min(map(discrepancy, random))


def test_herding_puts_rows_of_no_weight_last_and_ignores_them(cloud):
    weights = np.ones(300)
    weights[::3] = 0
    order = coverage.herding_order(cloud, seed=0, sample_weight=weights)
    counted = np.flatnonzero(weights)
    assert np.array_equal(order[200:], np.arange(0, 300, 3))
    assert np.array_equal(
        order[:200], counted[coverage.herding_order(cloud[counted], seed=0)]
    )


@pytest.mark.parametrize("value", [0.0, 1 / 3, 1e6])
def test_equal_points_keep_their_positions(value):
    points = np.full((40, 3), value)
    assert np.array_equal(coverage.herding_order(points, seed=0), np.arange(40))
    assert np.array_equal(coverage.k_center_order(points), np.arange(40))
    assert sorted(coverage.medoid_order(points, seed=0)) == list(range(40))


def test_many_duplicates_leave_a_scale():
    points = np.r_[np.zeros(80), np.linspace(1, 2, 20)][:, None]
    order = coverage.herding_order(points, seed=0)
    assert 1 <= (order[:10] >= 80).sum() <= 3


@pytest.mark.parametrize("n", [1, 2])
def test_few_points(n):
    points = np.arange(n, dtype=np.float32)[:, None]
    for order in (
        coverage.herding_order(points, seed=0),
        coverage.k_center_order(points),
        coverage.medoid_order(points, seed=0),
    ):
        assert sorted(order) == list(range(n))


def test_k_center_takes_the_farthest(cloud):
    cloud = np.rint(2 * cloud)  # with ties
    squared = squared_distances(cloud)
    first = np.argmin(np.round(((cloud - cloud.mean(axis=0)) ** 2).sum(axis=1), 9))
    order = [first]
    while len(order) < 300:
        gap = squared[order].min(axis=0)
        gap[order] = -1
        order.append(np.argmax(gap))
    assert np.array_equal(coverage.k_center_order(cloud), order)
    early = coverage.k_center_order(cloud, 40)
    assert np.array_equal(early[:40], order[:40])
    gaps = squared[order[:40]].min(axis=0)[early[40:]]
    assert (np.diff(gaps) <= 0).all()
    assert coverage.k_center_order(cloud, start=7)[0] == 7


def test_isolated_points_are_far_from_their_fifth_neighbour(cloud):
    fifth = np.sort(squared_distances(cloud), axis=1)[:, 5]
    assert np.array_equal(coverage.isolated(cloud, 0.1), np.argsort(fifth)[-30:])
    assert not len(coverage.isolated(cloud, 0.003))


def test_medoids_come_one_from_each_cluster_largest_first():
    rng = np.random.default_rng(0)
    sizes = [40, 30, 20, 10]
    centers = np.repeat([[0, 0], [0, 50], [60, 0], [60, 50]], sizes, axis=0)
    points = centers + rng.normal(size=(100, 2))
    groups = np.repeat(range(4), sizes)
    order = coverage.medoid_order(points, seed=0)
    assert sorted(order) == list(range(100))
    assert order[0] == np.argmin(((points - points.mean(axis=0)) ** 2).sum(axis=1))
    assert len(set(groups[order[:5]])) == 4
    assert np.array_equal(order, coverage.medoid_order(points, seed=0))
    # whole clusters are used up in proportion, not one after the other
    counts = np.bincount(groups[order[:50]])
    assert np.abs(counts - np.array(sizes) / 2).max() <= 5


def test_medoids_of_weighted_points():
    points = np.arange(9.0)[:, None]
    weights = np.r_[np.ones(8), 100.0]
    assert coverage.medoid_order(points, seed=0)[0] == 4
    assert coverage.medoid_order(points, seed=0, sample_weight=weights)[0] == 8


def test_classes_are_merged_in_proportion():
    codes = np.array([0, 0, 0, 0, 1, 1])
    seen = []

    def reverse(rows):
        seen.append(list(rows))
        return rows[::-1]

    points = np.zeros((6, 1))
    assert coverage.covering_order(points, codes, reverse).tolist() == [3, 5, 2, 1, 4, 0]
    assert seen == [[0, 1, 2, 3], [4, 5]]
    weights = np.array([1, 0, 1, 1, 0, 0])
    seen.clear()
    order = coverage.covering_order(points, codes, reverse, sample_weight=weights)
    assert order.tolist() == [3, 2, 0, 1, 4, 5]
    assert seen == [[0, 2, 3]]


def test_the_target_counts_as_much_as_all_columns():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2000, 9)).astype(np.float32)
    joint = coverage.joint_points(points, rng.normal(5, 7, size=2000))
    assert joint.dtype == np.float32
    assert np.array_equal(joint[:, :9], points)
    assert joint[:, 9].var() == pytest.approx(9, rel=1e-5)
    assert not coverage.joint_points(points, np.ones(2000))[:, 9].any()
