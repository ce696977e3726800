"""Draw rows in proportion to their statistical leverage."""

from dataclasses import replace

import numpy as np
from scipy.linalg import clarkson_woodruff_transform, svd
from scipy.sparse import issparse
from sklearn.utils import gen_batches

from sklearn_prune._docs import entries, fill
from sklearn_prune._ranking import Ranking
from sklearn_prune._seeds import derive_seed, row_keys
from sklearn_prune._space import pivoted_factor
from sklearn_prune.sample_selection._base import SELECTOR, SampleSelector
from sklearn_prune.sample_selection._design import Design

EXACT_UP_TO = 5_000  # of rows or features
SKETCH_SIZE = 1_000  # features that stand for more than that
_BLOCK_BYTES = 32 * 2**20
DRAWING = SELECTOR | entries("""
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows as drawn. It is not sorted by `scores_`.
    importances_ : ndarray of shape (n_samples,), float
        `scores_`, with 0 replaced by the smallest positive number.
    draws_ : ndarray of shape (n_samples,), float
        A uniform number for each row, divided by its importance; `order_` ascends in it.
""")


@fill(DRAWING)
class LeverageSelector(SampleSelector):
    """Draw rows in proportion to their leverage in a linear model.

    The leverage of a row is its entry on the diagonal of the hat matrix of a least-squares
    fit with an intercept. Rows are drawn without replacement, a row of twice the leverage
    twice as likely to be first. With inverse-probability weights, the drawn rows keep the
    least-squares fit [1]_: ``weighting="inverse_probability"`` of a meta-estimator.

    Parameters
    ----------
    {random_state}

    Attributes
    ----------
    {order_}
    scores_ : ndarray of shape (n_samples,), float
        The leverages, in [0, 1]: the diagonal of ``A @ pinv(A)`` for A = [1, X]. They add
        up to its rank.
    {importances_, draws_}

    See Also
    --------
    SensitivitySelector : The same idea for the loss of a logistic or least-squares model.
    RandomSelector : Equal probabilities.

    Notes
    -----
    O(n d^2) for d <= n and O(n^2 d) for d > n, by QR factorisations of blocks, with memory
    for a few min(n, d)^2 values. Where n and d both exceed 5,000, leverages are those of
    1,000 random combinations of the columns, a sparse sketch [2]_ [3]_: approximate, but
    exact where the rank of X is well below 1,000.

    With `sample_weight` the hat matrix is that of weighted least squares, and rows of
    weight 0 come last. Columns may have any scale; a missing value counts as the mean of
    its column.

    A bad idea without the weights, and where outliers are errors: they have the highest
    leverage. With d >= n and full rank every leverage is 1, and the order is random.

    References
    ----------
    .. [1] Ma, Mahoney, Yu (2015). A statistical perspective on algorithmic leveraging.
       JMLR 16.
    .. [2] Drineas, Magdon-Ismail, Mahoney, Woodruff (2012). Fast approximation of matrix
       coherence and statistical leverage. JMLR 13.
    .. [3] Clarkson, Woodruff (2013). Low rank approximation and regression in input
       sparsity time. STOC.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_prune.sample_selection import LeverageSelector
    >>> X, y = load_diabetes(return_X_y=True)
    >>> selector = LeverageSelector(random_state=0).fit(X)
    >>> round(float(selector.scores_.sum()), 6)  # ten columns and the intercept
    11.0
    """

    allow_nan = True
    draws_rows = True
    order_dependent = True
    takes_several_targets = True
    weights_repeat = True

    _parameter_constraints = {"random_state": ["random_state"]}

    def __init__(self, *, random_state=None):
        self.random_state = random_state

    def _rank(self, X, y, context):
        seed = self._seed(context)
        values = leverages(X, context.sample_weight, seed=seed)
        return replace(draw(values, seed), scores=values)


def draw(importances, seed):
    """Priority sampling; rows of importance 0 come last."""
    positive = np.maximum(importances, np.finfo(np.float64).tiny)
    return Ranking.from_importances(positive, row_keys(seed, len(positive)))


def leverages(X, sample_weight=None, *, seed, targets=None):
    """Diagonal of the hat matrix of weighted least squares on [1, X] or [1, X, targets].

    The columns may have any rank; `seed` is for the sketch, where there is one.
    """
    design = Design.standardized(X, sample_weight)
    n = design.shape[0]
    if min(design.shape) > EXACT_UP_TO:
        design = _sketched(design, derive_seed(seed, "sketch"))
    first = np.ones((n, 1))
    if targets is not None:
        targets = Design.standardized(targets[:, None], sample_weight).array()
        first = np.hstack([first, targets])
    if sample_weight is None:
        roots = np.ones((n, 1))
    else:
        roots = np.sqrt(sample_weight / sample_weight.max())[:, None]
    d = first.shape[1] + design.shape[1]
    tall = d <= n
    if issparse(design.X) and not tall:
        return _leverages_of_products(design, first, roots)
    blocks = _row_blocks if tall else _column_blocks
    _, sizes, directions = svd(_triangle(blocks(design, first, roots)))
    positive = sizes > sizes[0] * max(n, d) * np.finfo(np.float64).eps
    directions = directions[: len(sizes)][positive]
    if not tall:
        return np.einsum("ij,ij->j", directions, directions)
    whitening = directions.T / sizes[positive]
    parts = [block @ whitening for block in blocks(design, first, roots)]
    return np.concatenate([np.einsum("ij,ij->i", part, part) for part in parts])


def _leverages_of_products(design, first, roots):
    """Leverages of sparse rows with at least as many columns, from their inner products.

    O(n^3 + n nnz). Directions below some 1e-6 of the largest count as none.
    """
    rows = design.scaled()
    inner = (rows @ rows.T).toarray()
    inner += first @ first.T
    inner *= roots
    inner *= roots.T
    factor, counted = pivoted_factor(inner)[0], roots.ravel() > 0
    if len(factor) == np.count_nonzero(counted):  # of full rank
        return counted.astype(np.float64)
    basis = np.linalg.qr(factor.T)[0]
    return np.where(counted, np.einsum("ij,ij->i", basis, basis), 0.0)


def _row_blocks(design, first, roots):
    for rows, block in design.blocks():
        yield roots[rows] * np.hstack([first[rows], block])


def _column_blocks(design, first, roots):
    """The same, transposed, in blocks of columns."""
    n, d = design.shape
    yield (roots * first).T
    for part in gen_batches(d, max(1, _BLOCK_BYTES // (8 * n))):
        block = np.vstack([block for _, block in design.columns(part).blocks()])
        yield (roots * block).T


def _triangle(blocks):
    """R of the QR factorisation of rows that come in blocks."""
    pending = []
    for block in blocks:
        pending.append(block)
        if sum(map(len, pending)) > 2 * block.shape[1]:
            pending = [np.linalg.qr(np.vstack(pending), mode="r")]
    return np.linalg.qr(np.vstack(pending), mode="r")


def _sketched(design, seed):
    """The design with random combinations of its columns, the same for every row."""
    sketch = np.empty((design.shape[0], SKETCH_SIZE))
    for rows, block in design.blocks():
        sketch[rows] = clarkson_woodruff_transform(block.T, SKETCH_SIZE, seed).T
    return Design(sketch, np.zeros(SKETCH_SIZE), np.ones(SKETCH_SIZE))
