"""Cross-validated scores of three learners on many simulated data sets, compiled.

Each function fills scores[draw, model, split]. A model is a row of columns, of which -1
is none. A row of labels is one way to split: the rows with
label f are the test rows of its fold f, and all others are trained on; -1 is never tested.
"""

import numpy as np
from numba import njit
from scipy import stats

DEPTH = 3
CUTS = stats.norm.ppf(np.arange(1, 16) / 16)
NEAREST = 8


@njit(cache=True)
def _solve(matrix, target):
    """Solve a positive definite system in place, by Cholesky."""
    n = len(target)
    for j in range(n):
        for k in range(j):
            matrix[j, j] -= matrix[j, k] ** 2
        matrix[j, j] = np.sqrt(matrix[j, j])
        for i in range(j + 1, n):
            for k in range(j):
                matrix[i, j] -= matrix[i, k] * matrix[j, k]
            matrix[i, j] /= matrix[j, j]
    for i in range(n):
        for k in range(i):
            target[i] -= matrix[i, k] * target[k]
        target[i] /= matrix[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            target[i] -= matrix[k, i] * target[k]
        target[i] /= matrix[i, i]


@njit(cache=True)
def _columns(model):
    return model[model >= 0]


@njit(cache=True)
def _moments(X, y, labels, n_folds):
    """Sums of products of 1, the columns and the target, by fold; the last of all rows."""
    n, p = X.shape
    moments = np.zeros((n_folds + 1, p + 2, p + 2))
    row = np.ones(p + 2)
    for i in range(n):
        row[1 : p + 1] = X[i]
        row[p + 1] = y[i]
        fold = labels[i]
        for a in range(p + 2):
            for b in range(p + 2):
                moments[fold, a, b] += row[a] * row[b]  # -1 is the last
    moments[n_folds] = moments.sum(axis=0)
    return moments


@njit(cache=True)
def _weights(moments, columns):
    """Coefficients of least squares from the moments of the training rows."""
    size, target = len(columns), len(moments) - 1
    matrix, weights = np.empty((size, size)), np.empty(size)
    for i in range(size):
        weights[i] = moments[columns[i], target]
        for j in range(size):
            matrix[i, j] = moments[columns[i], columns[j]]
    _solve(matrix, weights)
    return weights


@njit(cache=True)
def _explained(weights, columns, test):
    """R2 on the rows that moments are given of."""
    target = len(test) - 1
    total = test[target, target] - test[0, target] ** 2 / test[0, 0]
    residual = test[target, target]
    for i in range(len(columns)):
        residual -= 2 * weights[i] * test[columns[i], target]
        for j in range(len(columns)):
            residual += weights[i] * weights[j] * test[columns[i], columns[j]]
    return 1 - residual / total


@njit(cache=True)
def _right(weights, columns, X, y, labels, fold):
    """Share of the rows of a fold for which the fit has the sign of the target."""
    right = size = 0
    for i in range(len(y)):
        if labels[i] == fold:
            fit = weights[0]
            for j in range(1, len(columns)):
                fit += weights[j] * X[i, columns[j] - 1]
            size += 1
            right += (fit > 0) == (y[i] > 0)
    return right / size


@njit(cache=True)
def _fit_and_score(X, y, labels, n_folds, models, scores, classify):
    for draw in range(len(X)):
        target = np.sign(y[draw]) if classify else y[draw]
        first = 0
        for way in range(len(labels)):
            moments = _moments(X[draw], target, labels[way], n_folds[way])
            for fold in range(n_folds[way]):
                test = moments[fold]
                train = moments[n_folds[way]] - test
                for model in range(len(models)):
                    columns = np.append(0, _columns(models[model]) + 1)
                    weights = _weights(train, columns)
                    if classify:
                        score = _right(weights, columns, X[draw], target, labels[way], fold)
                    else:
                        score = _explained(weights, columns, test)
                    scores[draw, model, first + fold] = score
            first += n_folds[way]


def least_squares(X, y, labels, n_folds, models, scores):
    """R2 of least squares with an intercept."""
    _fit_and_score(X, y, labels, n_folds, models, scores, False)


def linear_classifier(X, y, labels, n_folds, models, scores):
    """Accuracy of least squares on the sign of the target."""
    _fit_and_score(X, y, labels, n_folds, models, scores, True)


@njit(cache=True)
def _nearest(X, columns):
    """The nearest rows of each row, nearest first."""
    n = len(X)
    found = np.empty((n, NEAREST), dtype=np.int64)
    smallest = np.empty(NEAREST)
    points = np.empty((len(columns), n))
    for place, column in enumerate(columns):
        points[place] = X[:, column]
    for i in range(n):
        distances = np.zeros(n)
        for values in points:
            own = values[i]
            for j in range(n):
                distances[j] += (values[j] - own) ** 2
        distances[i] = np.inf
        smallest[:] = np.inf
        for j in range(n):
            if distances[j] < smallest[NEAREST - 1]:
                place = NEAREST - 1
                while place > 0 and smallest[place - 1] > distances[j]:
                    smallest[place] = smallest[place - 1]
                    found[i, place] = found[i, place - 1]
                    place -= 1
                smallest[place] = distances[j]
                found[i, place] = j
    return found


@njit(cache=True)
def _nearest_trained(X, columns, i, labels):
    """The nearest training row of a row all of whose nearest are tested with it."""
    best, smallest = -1, np.inf
    for j in range(len(X)):
        if labels[j] != labels[i]:
            distance = 0.0
            for column in columns:
                distance += (X[i, column] - X[j, column]) ** 2
            if distance < smallest:
                best, smallest = j, distance
    return best


@njit(cache=True)
def nearest_neighbor(X, y, labels, n_folds, models, scores):
    """Accuracy of one nearest neighbour; a target above 0 is the second class."""
    n = X.shape[1]
    for draw in range(len(X)):
        above = y[draw] > 0
        for model in range(len(models)):
            columns = _columns(models[model])
            near = _nearest(X[draw], columns)
            first = 0
            for way in range(len(labels)):
                own = labels[way]
                right = np.zeros(n_folds[way])
                sizes = np.zeros(n_folds[way])
                for i in range(n):
                    if own[i] < 0:
                        continue
                    neighbor = -1
                    for j in near[i]:
                        if own[j] != own[i]:
                            neighbor = j
                            break
                    if neighbor < 0:
                        neighbor = _nearest_trained(X[draw], columns, i, own)
                    sizes[own[i]] += 1
                    right[own[i]] += above[neighbor] == above[i]
                scores[draw, model, first : first + n_folds[way]] = right / sizes
                first += n_folds[way]


@njit(cache=True)
def _tree_accuracy(codes, above, columns, train, test):
    """Accuracy on some rows of a tree grown greedily by Gini on others."""
    n_codes = np.uint64(len(CUTS) + 1)
    node = np.zeros(len(above), dtype=np.uint64)
    counts = np.empty(2 * 2**DEPTH * n_codes)
    for depth in range(DEPTH):
        width = 2**depth
        best = np.zeros(width)
        chosen = np.full(width, -1)
        cut = np.zeros(width, dtype=np.uint64)
        for column in columns:
            counts[:] = 0
            own = codes[column]
            for i in train:
                counts[2 * (node[i] * n_codes + own[i]) + above[i]] += 1
            for q in range(width):
                part = counts[2 * q * n_codes : 2 * (q + 1) * n_codes]
                c, d = part[0::2].sum(), part[1::2].sum()
                a = b = 0.0
                for code in range(len(CUTS)):
                    a, b = a + part[2 * code], b + part[2 * code + 1]
                    c, d = c - part[2 * code], d - part[2 * code + 1]
                    if a + b > 0 and c + d > 0:
                        purity = (a * a + b * b) / (a + b) + (c * c + d * d) / (c + d)
                        if purity > best[q]:
                            best[q], chosen[q], cut[q] = purity, column, code
        for rows in (train, test):
            for i in rows:
                q = node[i]
                node[i] = 2 * q
                if chosen[q] >= 0 and codes[chosen[q], i] > cut[q]:
                    node[i] += np.uint64(1)
    leaves = np.zeros((2**DEPTH, 2))
    for i in train:
        leaves[node[i], above[i]] += 1
    right = 0
    for i in test:
        right += (leaves[node[i], 1] > leaves[node[i], 0]) == (above[i] == 1)
    return right / len(test)


@njit(cache=True)
def tree(X, y, labels, n_folds, models, scores):
    """Accuracy of a tree of depth three; a target above 0 is the second class.

    It cuts at the 16ths of the normal distribution that the columns come from.
    """
    n, p = X.shape[1:]
    for draw in range(len(X)):
        above = (y[draw] > 0).astype(np.uint64)
        codes = np.empty((p, n), dtype=np.uint64)
        for column in range(p):
            codes[column] = np.searchsorted(CUTS, X[draw, :, column])
        first = 0
        for way in range(len(labels)):
            for fold in range(n_folds[way]):
                train = np.flatnonzero(labels[way] != fold).astype(np.uint64)
                test = np.flatnonzero(labels[way] == fold).astype(np.uint64)
                for model in range(len(models)):
                    scores[draw, model, first + fold] = _tree_accuracy(
                        codes, above, _columns(models[model]), train, test
                    )
            first += n_folds[way]


LEARNERS = {
    "least squares, R2": least_squares,
    "linear classifier, accuracy": linear_classifier,
    "1-NN, accuracy": nearest_neighbor,
    "tree, accuracy": tree,
}
