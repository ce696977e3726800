"""Measure how fast the selectors are, beside peers and beside the neighbour graph.

CPU seconds on one thread, after compilation; each measurement in a process of its own,
whose peak of memory is noted. The rows are MNIST as 50 principal components, from an
archive of x_train and y_train (``--mnist`` or SKLEARN_PRUNE_MNIST). Needs imbalanced-learn
and pynndescent. Run with
``python examples/benchmarks/selector_speed.py > docs/benchmarks/selector_speed.md``.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import numpy as np
from imblearn.under_sampling import CondensedNearestNeighbour
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import RidgeClassifier, RidgeClassifierCV
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import sklearn_prune.sample_selection as selection
from sklearn_prune import SampleSubsetClassifier
from sklearn_prune._graph import neighbor_graph
from sklearn_prune.sample_selection import RankingContext


def rows(n):
    """The first n rows of MNIST as standardised principal components, and their classes."""
    with np.load(os.environ["SKLEARN_PRUNE_MNIST"]) as arrays:
        X, y = arrays["x_train"][:n].reshape(-1, 784), arrays["y_train"][:n].astype(int)
    pca = PCA(50, svd_solver="covariance_eigh")
    return StandardScaler().fit_transform(pca.fit_transform(X / 255.0)), y


def cpu(work, repeats=1):
    """The smallest CPU time of some runs, and what the last one gave."""
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        result = work()
        best = min(best, time.process_time() - start)
    return best, result


@dataclass(frozen=True)
class ReadyContext(RankingContext):
    """A context whose neighbour graph is there already."""

    graph: object = None

    def neighbor_graph(self, X, k, **how):
        return self.graph.nearest(k)


def condensed():
    """Condensed nearest neighbours against imbalanced-learn's."""
    X, y = rows(10_000)
    selection.CondensedNNSelector().fit(X[:500], y[:500])
    ours, selector = cpu(lambda: selection.CondensedNNSelector().fit(X, y), 3)
    peer = CondensedNearestNeighbour(sampling_strategy="all", random_state=0)
    theirs, _ = cpu(lambda: peer.fit_resample(X, y))

    def right(kept):
        return KNeighborsClassifier(1).fit(X[kept], y[kept]).score(X, y)

    kept = selector.order_[: selector.natural_size_]
    return {
        "condensed NN, 10,000 rows (s)": ours,
        "imbalanced-learn's (s)": theirs,
        "ratio": theirs / ours,
        "1-NN on ours, right on all rows (%)": 100 * right(kept),
        "1-NN on theirs (%)": 100 * right(peer.sample_indices_),
    }


def shapley_loop(distances, y, own, k):
    """Values of all rows for one test row, by the published recursion."""
    order = np.argsort(distances, kind="stable")
    values = np.zeros(len(order))
    agrees = y[order] == own
    values[order[-1]] = agrees[-1] / len(order)
    for i in range(len(order) - 2, -1, -1):
        step = (int(agrees[i]) - int(agrees[i + 1])) / k * min(k, i + 1) / (i + 1)
        values[order[i]] = values[order[i + 1]] + step
    return values


def knn_shapley():
    """KNN-Shapley against the published loop over test rows."""
    X, y = rows(10_000)
    selection.KNNShapleySelector().fit(X[:500], y[:500])
    ours, _ = cpu(lambda: selection.KNNShapleySelector().fit(X, y), 2)

    def loop():
        for i in range(20):
            others = np.delete(np.arange(len(X)), i)
            distances = np.linalg.norm(X[others] - X[i], axis=1)
            shapley_loop(distances, y[others], y[i], 5)

    theirs = cpu(loop)[0] * len(X) / 20
    return {
        "KNN-Shapley, 10,000 rows (s)": ours,
        "the loop, from 20 test rows (s)": theirs,
        "ratio": theirs / ours,
    }


def graph():
    """Approximate against exact graph, and what is decided on them."""
    X, y = rows(60_000)
    for exact in (True, False):
        neighbor_graph(X[:3000], 10, exact=exact)
    slow, exact = cpu(lambda: neighbor_graph(X, 32, exact=True))
    fast, rough = cpu(lambda: neighbor_graph(X, 32, exact=False), 3)
    kept = []
    for found in (exact, rough):
        ranking = selection.ENNSelector()._rank(X, y, ready(found))
        kept.append(np.isin(np.arange(len(y)), ranking.order[: ranking.natural_size]))
    return {
        "exact graph, 60,000 rows, k = 32 (s)": slow,
        "approximate graph, warm (s)": fast,
        "ratio": slow / fast,
        "nearest ten found (%)": 100 * recall(exact.indices[:, :10], rough.indices[:, :10]),
        "ENN decisions that agree (%)": 100 * np.mean(kept[0] == kept[1]),
    }


def recall(exact, rough):
    """Share of the neighbours that were found, on every hundredth row."""
    pairs = zip(exact[::100], rough[::100], strict=True)
    return np.mean([len(np.intersect1d(a, b)) / len(a) for a, b in pairs])


def ready(found, task="classification"):
    """The context of a ranking that finds its graph there."""
    return ReadyContext(task=task, seed=0, graph=found)


def after_graph():
    """What is left to do once the graph is there."""
    X, y = rows(60_000)
    noisy, rng = y.copy(), np.random.default_rng(0)
    wrong = rng.permutation(len(y))[: len(y) // 5]
    noisy[wrong] = (y[wrong] + rng.integers(1, 10, len(wrong))) % 10
    small, found = neighbor_graph(X[:1000], 32), neighbor_graph(X, 32, exact=True)
    result = {}
    for name in ("ENN", "RENN", "AllKNN", "TomekLinks", "Hardness", "DROP3", "ICF"):
        selector = getattr(selection, f"{name}Selector")()
        selector._rank(X[:1000], y[:1000], ready(small))
        for labels, what in ((y, "clean"), (noisy, "20 % flipped")):
            seconds, _ = cpu(lambda s=selector, t=labels: s._rank(X, t, ready(found)), 2)
            result[f"{name} after the graph, {what} (s)"] = seconds
    return result


def facility_location():
    """Facility location on all rows."""
    X, y = rows(60_000)
    selection.FacilityLocationSelector().fit(X[:500], y[:500])
    seconds, _ = cpu(lambda: selection.FacilityLocationSelector().fit(X, y))
    return {"facility location, 60,000 rows (s)": seconds}


def facility_location_objective():
    """Facility location against lazy greedy on the whole similarity matrix."""
    X, y = rows(5_000)
    order = selection.FacilityLocationSelector().fit(X, y).order_
    result = {}
    for keep in (0.01, 0.1, 0.5):
        ratios = []
        for code in range(10):
            members = np.flatnonzero(y == code)
            similarity = similarities(X[members])
            size = max(1, round(keep * len(members)))
            ours = order[np.isin(order, members)][:size]
            chosen, covered = [], np.zeros(len(members))
            for _ in range(size):
                gains = np.maximum(similarity - covered[:, None], 0).sum(axis=0)
                chosen.append(int(gains.argmax()))
                covered = np.maximum(covered, similarity[:, chosen[-1]])
            own = similarity[:, np.searchsorted(members, ours)].max(axis=1)
            ratios.append(own.sum() / covered.sum())
        result[f"objective at keep={keep:g}, 5,000 rows, smallest of ten (%)"] = 100 * min(
            ratios
        )
    return result


def similarities(points):
    """Similarities of the rows of one class by their definition."""
    squared = pairwise_distances(points, metric="sqeuclidean")
    apart = np.where(squared > 1e-12, squared, np.inf)
    return np.exp(-squared / (4 * np.median(apart.min(axis=1))))


def auto():
    """AutoSelector on all rows."""
    X, y = rows(60_000)
    selection.AutoSelector(random_state=0).fit(X[:500], y[:500])
    seconds, _ = cpu(lambda: selection.AutoSelector(random_state=0).fit(X, y))
    return {"AutoSelector, 60,000 rows (s)": seconds}


def grid():
    """A grid search over graph selectors with and without memory."""
    X, y = rows(20_000)
    names = ("ENN", "TomekLinks", "Hardness", "AllKNN")
    params = {
        "selector": [getattr(selection, f"{name}Selector")() for name in names],
        "keep": [0.1, 0.3, 0.5, 0.7, 0.9],
    }

    def search(memory):
        model = SampleSubsetClassifier(GaussianNB(), memory=memory, random_state=0)
        return GridSearchCV(model, params, cv=5, refit=False).fit(X, y).cv_results_

    for selector in params["selector"]:
        selector.fit(X[:500], y[:500])
    without, first = cpu(lambda: search(None))
    with TemporaryDirectory() as folder:
        with_memory, second = cpu(lambda: search(folder))
    return {
        "grid of 100 fits without memory (s)": without,
        "with memory (s)": with_memory,
        "ratio": without / with_memory,
        "equal results": float(
            np.array_equal(first["mean_test_score"], second["mean_test_score"])
        ),
    }


def words(n, d, n_words=100):
    """Rows like TF-IDF of texts, sparse, in four classes."""
    random = np.random.default_rng(0)
    y = random.integers(0, 4, n)
    columns = (d * random.random((n, n_words)) ** 3).astype(int)
    own = random.random(columns.shape) < 0.2
    columns = np.where(own, 4 * columns + y[:, None], columns) % d
    cells = (np.repeat(np.arange(n), n_words), columns.ravel())
    counts = csr_array((np.ones(n * n_words), cells), shape=(n, d))
    return TfidfTransformer(sublinear_tf=True).fit_transform(counts), y


def sparse_neighbors():
    """Neighbours in sparse rows, 3,000 x 20,000, 0.5 % of them not zero."""
    X, y = words(3000, 20_000)
    dense = X.toarray()
    base, _ = cpu(lambda: RidgeClassifier().fit(X, y), 3)
    result = {"RidgeClassifier.fit (s)": base}
    for name in ("ENN", "CondensedNN", "KNNShapley", "DROP3", "FacilityLocation"):
        selector = getattr(selection, f"{name}Selector")()
        for part in (X[:300], dense[:300]):
            selector.fit(part, y[:300])
        ours, fitted = cpu(lambda s=selector: clone(s).fit(X, y), 2)
        result[f"{name} (s)"] = ours
        result[f"{name}, times RidgeClassifier.fit"] = ours / base
        if name in ("ENN", "CondensedNN"):
            theirs, other = cpu(lambda s=selector: clone(s).fit(dense, y))
            result[f"{name} on dense rows, times {name}"] = theirs / ours
            result[f"{name}: same order"] = float(
                np.array_equal(fitted.order_, other.order_)
            )
    return result


def sparse_auto():
    """AutoSelector on sparse rows, 3,000 x 80,000: a dense copy takes 1.8 GiB."""
    X, y = words(3000, 80_000)
    selection.AutoSelector(random_state=0).fit(X[:300], y[:300])
    base, _ = cpu(lambda: RidgeClassifier().fit(X, y), 3)
    ours, _ = cpu(lambda: selection.AutoSelector(random_state=0).fit(X, y))
    few, _ = words(3000, 20_000)
    small, _ = cpu(lambda: selection.AutoSelector(random_state=0).fit(few, y))
    dense, few = few.toarray(), None
    theirs, _ = cpu(lambda: selection.AutoSelector(random_state=0).fit(dense, y))
    return {
        "RidgeClassifier.fit (s)": base,
        "AutoSelector (s)": ours,
        "AutoSelector, times RidgeClassifier.fit": ours / base,
        "AutoSelector on dense rows, times sparse, 3,000 x 20,000": theirs / small,
    }


def sparse_linear():
    """Selectors by linear models on sparse rows, 3,000 x 200,000."""
    X, y = words(3000, 200_000)
    base, _ = cpu(lambda: RidgeClassifier().fit(X, y), 3)
    result = {"RidgeClassifier.fit (s)": base}
    result["RidgeClassifierCV.fit, times that"] = (
        cpu(lambda: RidgeClassifierCV().fit(X, y))[0] / base
    )
    for selector in (
        selection.L2PenaltySelector(),
        selection.LeverageSelector(random_state=0),
        selection.SensitivitySelector(random_state=0),
    ):
        ours, _ = cpu(lambda s=selector: clone(s).fit(X, y))
        name = type(selector).__name__
        result[f"{name} (s)"] = ours
        result[f"{name}, times RidgeClassifier.fit"] = ours / base
    return result


def many_rows():
    """ENN on 200,000 x 20 rows beside AutoSelector."""
    X, y = make_classification(
        200_000, 20, n_informative=10, n_classes=3, flip_y=0.05, random_state=0
    )
    first, _ = cpu(lambda: selection.ENNSelector().fit(X[:22_000], y[:22_000]))
    second, _ = cpu(lambda: selection.ENNSelector().fit(X[:22_000], y[:22_000]))
    selection.AutoSelector(random_state=0).fit(X[:500], y[:500])
    ours, _ = cpu(lambda: selection.ENNSelector().fit(X, y))
    auto, _ = cpu(lambda: selection.AutoSelector(random_state=0).fit(X, y))
    return {
        "AutoSelector (s)": auto,
        "ENN (s)": ours,
        "ENN, times AutoSelector": ours / auto,
        "compilation of pynndescent, once in a process (s)": first - second,
    }


MEASUREMENTS = (
    condensed,
    knn_shapley,
    graph,
    after_graph,
    facility_location,
    facility_location_objective,
    auto,
    grid,
    sparse_neighbors,
    sparse_auto,
    sparse_linear,
    many_rows,
)


def main():
    """Measure each in a process of its own and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", default=os.environ.get("SKLEARN_PRUNE_MNIST"))
    parser.add_argument("--only", help="one measurement, as JSON")
    parser.add_argument("--blocks", nargs="+", help="some measurements, without the head")
    args = parser.parse_args()
    os.environ["SKLEARN_PRUNE_MNIST"] = args.mnist
    if args.only:
        warnings.simplefilter("ignore")
        with threadpool_limits(1):
            result = globals()[args.only]()
        result["peak memory of the process (GB)"] = (
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        )
        print(json.dumps(result))
        return
    if not args.blocks:
        print("# The speed of the selectors, measured\n")
        print(
            "Output of `examples/benchmarks/selector_speed.py`: CPU seconds on one thread,"
        )
        print(
            "after compilation, on MNIST as 50 principal components where no other rows are"
        )
        print("named. Each block ran in a process of its own; its peak of memory includes")
        print("Python and the data.\n")
        print("| what | figure |\n| --- | --- |")
    for measurement in MEASUREMENTS:
        if args.blocks and measurement.__name__ not in args.blocks:
            continue
        command = [sys.executable, __file__, "--only", measurement.__name__]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        print(f"| **{measurement.__doc__.rstrip('.')}** | |")
        for name, value in json.loads(output).items():
            print(f"| {name} | {value:.3g} |", flush=True)


if __name__ == "__main__":
    main()
