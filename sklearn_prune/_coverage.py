"""Orders of points whose every prefix covers the cloud: herding, k-center, medoids."""

import warnings
from dataclasses import replace

import numpy as np
from joblib import Parallel, cpu_count, delayed, effective_n_jobs
from scipy.sparse import csr_array, hstack, issparse
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

from sklearn_prune._docs import entries
from sklearn_prune._ranking import round_significant
from sklearn_prune._seeds import derive_seed, limited_threads, row_keys
from sklearn_prune._space import centred_products

BLOCK = 2048  # rows whose kernel matrix is held at once
MOST_CENTERS = 5000  # that farthest-first traversal looks for
LLOYD_UP_TO = 10_000  # rows; above, k-means reads small batches
COVERING = entries("""
    task : {"auto", "classification", "regression"}, default="auto"
        What y is, where no meta-estimator says it. "auto": strings, bools, and at most
        max(20, sqrt(n)) different integral values are classes. Each class is covered for
        itself, and the orders are merged in proportion. For regression the target is a
        further column that counts as much as all others together. Several targets are
        not read.
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows, most worth keeping first. Ties go by position. Rows of
        weight 0 come last.
""")


def covering_order(points, codes, order_of, *, sample_weight=None):
    """Order the points of each class by `order_of(positions)`, and merge in proportion.

    The r-th of the n_c points of a class, from 0, has the place (r + 0.5) / n_c; ties go by
    position. Points of weight 0 come last and are given to no call.
    """
    n = points.shape[0]
    counted = np.ones(n, dtype=bool) if sample_weight is None else sample_weight > 0
    codes = np.zeros(n, dtype=np.int64) if codes is None else codes
    places = np.full(n, np.inf)
    for code in np.unique(codes[counted]):
        order = order_of(np.flatnonzero((codes == code) & counted))
        places[order] = (np.arange(len(order)) + 0.5) / len(order)
    return np.argsort(places, kind="stable")


def points_and_classes(points, y, task):
    """Points to cover and class codes, which are None where all points are one class.

    The points are rows with standardised columns; regression adds their targets as a
    column. Several targets are not read.
    """
    if y is None or task is None or y.ndim > 1:
        return points, None
    if task == "regression":
        return joint_points(points, y), None
    return points, y


def joint_points(points, y, share=1.0, length=None):
    """Append the standardised target, times `share` as long as all columns together.

    A column of zeros, as standardising leaves of one that does not vary, has no length.
    `length` is that of all columns where they are not standardised.
    """
    if length is None:
        if issparse(points):
            n_varying = np.count_nonzero(abs(points).sum(axis=0))
        else:  # the sum of their variances of 1, which rotating does not change
            n_varying = round(points.var(axis=0, dtype=np.float64).sum())
        length = np.sqrt(max(1, n_varying))
    target = _standardized_target(y)
    target *= share * length
    if issparse(points):
        target = csr_array(target[:, None].astype(points.dtype))
        return hstack([points, target], format="csr")
    return np.column_stack([points, target]).astype(points.dtype, copy=False)


def joint_space(space, y):
    """The space of rows and targets: a target counts as much as all columns together."""
    points, y = space.points, y.astype(np.float64)
    if space.in_pairs:
        apart = np.abs(y[:, None] - y)
        if space.metric in ("seuclidean", "euclidean", "cosine"):
            apart = apart**2
        scale = points.mean() / apart.mean() if apart.any() and points.any() else 1.0
        return replace(space, points=points + scale * apart)
    nominal = np.append(space.nominal, False)
    if space.metric == "gower":  # repeated, since columns count equally
        d, span = points.shape[1], np.ptp(y)
        targets = np.repeat(y[:, None] / (span if span > 0 else 1.0), d, axis=1)
        nominal = np.concatenate([space.nominal, np.zeros(d, dtype=bool)])
        return replace(space, points=np.hstack([points, targets]), nominal=nominal)
    if space.metric == "manhattan":
        spread = np.abs(points - points.mean(axis=0)).mean(axis=0).sum()
        target = _standardized_target(y)
        target *= (spread or 1.0) / max(np.abs(target).mean(), 1e-300)
        return replace(space, points=np.column_stack([points, target]), nominal=nominal)
    length = None
    if space.metric != "seuclidean":
        length = np.sqrt(points.var(axis=0, dtype=np.float64).sum()) or 1.0
    return replace(space, points=joint_points(points, y, length=length), nominal=nominal)


def _standardized_target(y):
    deviation = y.std()
    return (y - y.mean()) / (deviation if deviation > 0 else 1.0)


def herding_order(points, *, seed, sample_weight=None, block=BLOCK, n_jobs=None):
    """Order points such that the kernel mean of each prefix is close to that of all [1]_.

    The kernel is the mean of three Gaussian ones, exp(-d**2 / b), with bandwidths b of h, h
    / 5 and h / 20 for the median h of the squared distances between different points. The
    points are split at random, by `seed`, into blocks of at most `block` points. Each block
    is ordered greedily, in a thread of its own, and the orders are merged. The next point
    of a block is the unused one with the largest
    ``mean[i] * (t + 1) - kernel[i, taken].sum()`` after t points, ties by position. Points
    of weight 0 come last. O(n * block * d) time, O(block**2) memory for each thread.

    References
    ----------
    .. [1] Chen, Welling, Smola (2010). Super-samples from kernel herding. UAI.
    """
    n = points.shape[0]
    weights = np.ones(n) if sample_weight is None else sample_weight
    counted = np.flatnonzero(weights > 0)
    keys = row_keys(derive_seed(seed, "blocks"), len(counted))
    shuffled = counted[np.argsort(keys, kind="stable")]
    n_blocks = max(1, -(-len(counted) // block))
    blocks = [np.sort(rows) for rows in np.array_split(shuffled, n_blocks)]
    orders = Parallel(n_jobs=n_jobs, prefer="threads", require="sharedmem")(
        delayed(_herd_block)(points, rows, weights) for rows in blocks
    )
    within = np.concatenate([np.arange(len(rows)) for rows in orders])
    sizes = np.repeat([len(rows) for rows in orders], [len(rows) for rows in orders])
    jitter = row_keys(derive_seed(seed, "places"), len(counted)) if n_blocks > 1 else 0.5
    merged = np.argsort((within + jitter) / sizes, kind="stable")
    return np.concatenate([np.concatenate(orders)[merged], np.flatnonzero(weights <= 0)])


def herded_classes(points, codes, *, seed, sample_weight=None, block=BLOCK, n_jobs=None):
    """Order the points of each class by herding and merge the orders in proportion.

    Parameters are those of `covering_order` and `herding_order`.
    """

    def herd(rows):
        weights = None if sample_weight is None else sample_weight[rows]
        return rows[
            herding_order(
                points[rows], seed=seed, sample_weight=weights, block=block, n_jobs=n_jobs
            )
        ]

    return covering_order(points, codes, herd, sample_weight=sample_weight)


def _herd_block(points, rows, weights):
    from sklearn_prune._coverage_kernels import herd

    return rows[herd(multiscale_kernel(points[rows]), weights[rows])] if len(rows) else rows


def multiscale_kernel(points):
    """The kernel matrix of `herding_order`, float32."""
    n, products = points.shape[0], None
    if issparse(points):
        products = centred_products(points).astype(np.float32)
        norms = products.diagonal().copy()
    else:
        points = np.subtract(points, points.mean(axis=0), dtype=np.float64)
        points = points.astype(np.float32)
        norms = np.einsum("ij,ij->i", points, points)
    noise = 1e-6 * norms.max()  # rounding errors of a squared distance
    some = slice(None, None, max(1, n // 200))
    own = points[some] @ points.T if products is None else products[some]
    apart = norms[some, None] + norms - 2 * own
    apart = apart[apart > noise]
    rate = np.float32(-1 / (np.median(apart) if len(apart) else 1.0))
    kernel = np.empty((n, n), dtype=np.float32)
    for batch in gen_batches(n, 64):  # which stay in the processor's cache
        wide = kernel[batch]
        if products is None:
            np.matmul(-2 * points[batch], points.T, out=wide)
        else:
            np.multiply(products[batch], -2, out=wide)
        wide += norms - noise
        wide += norms[batch, None]
        np.maximum(wide, 0, out=wide)
        wide *= rate
        np.exp(wide, out=wide)
        narrow = wide * wide
        narrow *= narrow
        narrow *= wide  # the fifth power
        wide += narrow
        narrow *= narrow
        narrow *= narrow  # the twentieth
        wide += narrow
        wide /= 3
    return kernel


def k_center_order(points, size=None, *, start=None):
    """Order points by farthest-first traversal: each is the farthest from those before.

    The first `size` points are taken so, ``min(n_samples, 5000)`` by default. The others
    follow by descending distance to the nearest of these. `start` is the first point, by
    default the one nearest to the mean. Ties go by position. O(n * size * d) time. The
    largest distance of a point to the nearest of a prefix is at most twice the smallest
    possible for its length [1]_.

    References
    ----------
    .. [1] Gonzalez (1985). Clustering to minimize the maximum intercluster distance.
       Theoretical Computer Science 38.
    """
    from sklearn_prune._coverage_kernels import farthest_first

    n = len(points)
    size = min(n, MOST_CENTERS if size is None else size)
    if start is None:
        start = _medoids(points, np.zeros(n, dtype=np.int64), points.mean(axis=0)[None])[0]
    order, squared = farthest_first(points, start, size)
    rest = np.argsort(-squared, kind="stable")[: n - size]  # those taken have -1
    return np.concatenate([order, rest])


def isolated(points, share, n_neighbors=5, *, n_jobs=None):
    """Positions of the ``floor(share * n)`` points farthest from their k-th neighbour.

    The most isolated point is the last; ties go by position.
    """
    n = len(points)
    n_found = int(share * n)
    if not n_found:
        return np.empty(0, dtype=np.intp)
    finder = NearestNeighbors(n_neighbors=min(n_neighbors, n - 1), algorithm="brute")
    with limited_threads(min(effective_n_jobs(n_jobs), cpu_count())):
        distances = np.float32(finder.fit(points).kneighbors()[0][:, -1])
    return np.argsort(distances, kind="stable")[n - n_found :]


def medoid_order(points, *, seed, sample_weight=None):
    """Order points by the medoids of ever finer k-means clusters.

    The number of clusters starts at 1 and is twice the number of points ordered so far at
    each further level. At each level the clusters that hold no ordered point yet give the
    point nearest to their mean, largest cluster first. From clusters of some eight points
    on, the others follow at random, in proportion from all clusters. Ties go by position.
    Weights must be positive.
    """
    n = len(points)
    weights = np.ones(n) if sample_weight is None else sample_weight
    order = np.empty(0, dtype=np.int64)
    labels = np.zeros(n, dtype=np.int64)
    n_clusters = 1
    while n_clusters <= max(1, n // 8):
        level_seed = derive_seed(seed, f"{n_clusters} clusters")
        labels, centers = _cluster(points, n_clusters, level_seed, weights)
        mass = np.bincount(labels, weights=weights, minlength=len(centers))
        mass[labels[order]] = 0.0
        new = np.flatnonzero(mass > 0)
        new = new[np.argsort(-mass[new], kind="stable")]
        if not len(new):  # fewer different points than clusters
            break
        order = np.concatenate([order, _medoids(points, labels, centers)[new]])
        n_clusters = 2 * len(order)
    keys = row_keys(derive_seed(seed, "rest"), n)
    keys[order] = -1.0
    by_cluster = np.lexsort((keys, labels))
    sizes = np.bincount(labels)
    ranks = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    places = np.empty(n)
    places[by_cluster] = (ranks + 0.5) / np.repeat(sizes, sizes)
    places[order] = -1.0
    rest = np.argsort(places, kind="stable")[len(order) :]
    return np.concatenate([order, rest])


def _cluster(points, n_clusters, seed, weights):
    """Labels of the points and centres of the clusters."""
    if n_clusters == 1:
        labels = np.zeros(len(points), dtype=np.int64)
        return labels, np.average(points, axis=0, weights=weights)[None]
    method = KMeans if len(points) <= LLOYD_UP_TO else MiniBatchKMeans
    model = method(n_clusters, n_init=1, max_iter=30, random_state=seed)
    with warnings.catch_warnings():
        # Duplicates may leave fewer clusters; thirty iterations are enough here.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(points, sample_weight=weights)
    return model.labels_.astype(np.int64), model.cluster_centers_


def _medoids(points, labels, centers):
    """The member nearest to the centre of each cluster; -1 for an empty one."""
    offsets = points - centers[labels]
    squared = round_significant(
        np.einsum("ij,ij->i", offsets, offsets, dtype=np.float64), 6
    )
    by_cluster = np.lexsort((squared, labels))
    found, first = np.unique(labels[by_cluster], return_index=True)
    medoids = np.full(len(centers), -1)
    medoids[found] = by_cluster[first]
    return medoids
