"""Rounds of editing: who is judged by whom, and who stays."""

import numpy as np

from sklearn_prune._graph import in_threads

SECOND_LOOK = 0.02  # share of rows that are looked at again in an approximate graph
FLOOR = 0.1  # of the mean deviation: below it, neighbours agree by chance


class CountedNeighbors:
    """Find the nearest neighbours among the rows that count, ever fewer of them.

    They are looked for in the lists of the graph. Where a list runs out, the row is
    compared with all rows that count, and gets a list of these. `get_space` is called only
    then.
    """

    def __init__(self, graph, get_space, n_jobs=None):
        self._lists = graph.indices
        self._get_space = get_space
        self._n_jobs = n_jobs

    def __call__(self, k, counts, judged):
        """Find the min(k, n_samples - 1) nearest of the judged rows.

        k is no more than the graph has unless it has all. `counts` marks rows that may be
        neighbours, no others than in the call before. Nearest first, ties by position, -1
        after the last. Other rows than the judged ones have no meaning.
        """
        from sklearn_prune.sample_selection._edited_kernels import first_counted

        n, depth = self._lists.shape
        found = np.empty((n, min(k, n - 1)), dtype=np.int32)
        short = np.flatnonzero(first_counted(self._lists, counts, judged, found))
        if depth < n - 1 and len(short):
            lists = self._lists.copy()
            lists[short] = self._search(short, np.flatnonzero(counts))
            self._lists = lists
            first_counted(lists, counts, judged, found)
        return found

    def _search(self, rows, among):
        from sklearn_prune.sample_selection._edited_kernels import nearest_among

        space = self._get_space()
        found = np.empty((len(rows), self._lists.shape[1]), dtype=np.int32)

        def search(batch):
            nearest_among(
                space.points,
                space.kind,
                space.nominal,
                rows[batch],
                among,
                found[batch],
            )

        in_threads(search, len(rows), self._n_jobs)
        return found


def edit(find, judge, counts, sizes, until_stable):
    """Drop in each round the rows that their neighbours among the survivors contradict.

    ``find(k, counts, judged)`` gives the neighbours of the judged rows among those that
    count, ``judge(found, counts, judged)`` who is kept and how far they agree. `sizes` are
    the numbers of neighbours of the rounds. With `until_stable` a round that drops none is
    the last. Returns for each row whether it is kept, its agreement in the last round that
    judged it, and the number of rounds after which it was still there.
    """
    kept = np.ones(len(counts), dtype=bool)
    agreement = np.zeros(len(counts))
    outlived = np.zeros(len(counts), dtype=np.int64)
    for k in sizes:
        agrees, agreed = judge(find(k, counts & kept, kept), counts & kept, kept)
        agreement[kept] = agreed[kept]
        survives = kept & agrees
        outlived[survives] += 1
        if until_stable and np.array_equal(survives, kept):
            break
        kept = survives
    return kept, agreement, outlived


def rows_that_count(n_samples, sample_weight):
    """Mask of the rows that may be neighbours: those of positive weight."""
    return np.ones(n_samples, dtype=bool) if sample_weight is None else sample_weight > 0


def judge_labels(y, kind_sel, found, counts, judged):
    """Whether the neighbours have the label of the row, and which share of them."""
    from sklearn_prune.sample_selection._edited_kernels import label_agreement

    agreement, in_majority = np.zeros(len(y)), np.zeros(len(y), dtype=bool)
    label_agreement(found, y, judged, y.max() + 1, agreement, in_majority)
    return (agreement == 1 if kind_sel == "all" else in_majority), agreement


def judge_targets(y, alpha, found, counts, judged):
    """Whether the target is near those of the neighbours, and minus how far it is."""
    deviations, residuals = target_residuals(y, found, judged)
    deviations = floored_deviations(deviations, y, counts)
    ratios = np.divide(
        residuals, deviations, out=np.zeros_like(residuals), where=residuals > 0
    )
    return ratios <= alpha, -ratios


def floored_deviations(deviations, y, counts):
    """Deviations of no less than a tenth of their mean; that of y where all are 0."""
    mean = deviations[counts].mean() if counts.any() else 0.0
    return np.maximum(deviations, FLOOR * mean if mean > 0 else y.std())


def target_residuals(y, found, judged):
    """Deviations of the neighbours' targets, and distances of targets from their means."""
    from sklearn_prune.sample_selection._edited_kernels import target_moments

    means, deviations = y.copy(), np.zeros(len(y))
    target_moments(found, y, judged, means, deviations)
    residuals = np.abs(y - means)
    rounding = 1e-10 * np.ptp(y) + 1e-14 * np.abs(y).max()
    residuals[residuals <= rounding] = 0.0
    deviations[deviations <= rounding] = 0.0
    return deviations, residuals


def unsettled_rows(graph, k, judge, counts):
    """Rows whose fate would change with fewer or more neighbours, the closest cases first.

    No more than 2 % of all rows.
    """
    n, width = graph.indices.shape
    limit = int(SECOND_LOOK * n)
    everyone = np.ones(n, dtype=bool)

    def verdict(size):
        return judge(graph.indices[:, :size], counts, everyone)[0]

    agrees, rows = verdict(k), np.empty(0, dtype=np.intp)
    for step in range(1, width):
        for size in (k - step, k + step):
            if 1 <= size <= width and len(rows) < limit:
                other = np.setdiff1d(np.flatnonzero(verdict(size) != agrees), rows)
                rows = np.concatenate([rows, other])
    return np.sort(rows[:limit])
