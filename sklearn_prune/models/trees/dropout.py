"""Dropout of whole trees while the leaves of all of them are estimated together.

A tree is dropped with probability p, for each row on its own. A tree that is kept counts
1 / (1 - p) times [1]_ [2]_. The leaves of one tree partition the rows, so a leaf is dropped
together with all others of its tree.

Under squared loss nothing has to be drawn: the mean over all masks adds
``p / (1 - p) * sum(h * w**2)`` to the loss, with the score w of a leaf and the weight h of
its rows. Other losses see a few copies of each row, each with its own mask.

References
----------
.. [1] Rashmi, Gilad-Bachrach (2015). DART: dropouts meet multiple additive regression
   trees. AISTATS.
.. [2] Wager, Wang, Liang (2013). Dropout training as adaptive regularization. NeurIPS.
"""

import numpy as np

from sklearn_prune._seeds import derive_seed
from sklearn_prune._sklearn_compat import InvalidParameterError

MOST_COPIES, FEWEST_COPIES = 8, 2  # of each row; each has one bit of a byte
ENOUGH_ROWS = 200_000  # copies included: no more copies are made then


def added_penalty(dropout):
    """What dropout adds to the weight of a leaf's rows, as a share of it."""
    return dropout / (1.0 - dropout)


def dropout_masks(dropout, n_trees, n_rows, seed):
    """Draw which trees are kept for each copy of each row.

    Parameters
    ----------
    dropout : float in (0, 1)
        Probability with which a tree is dropped.
    n_trees, n_rows : int
        The masks of the first trees do not depend on how many follow.
    seed : int
        Of the draws.

    Returns
    -------
    masks : ndarray of shape (n_trees, n_rows), uint8
        Bit c is 1 if the tree is kept for copy c.
    n_copies : int
        At least 2 and at most 8, fewer the more rows there are.
    """
    n_copies = int(np.clip(ENOUGH_ROWS // max(n_rows, 1), FEWEST_COPIES, MOST_COPIES))
    generator = np.random.default_rng(derive_seed(seed, "silent-trees"))
    masks = np.zeros((n_trees, n_rows), dtype=np.uint8)
    for of_tree in masks:
        for copy in range(n_copies):
            is_kept = generator.random(n_rows, dtype=np.float32) >= dropout
            of_tree |= is_kept.astype(np.uint8) << np.uint8(copy)
    return masks, n_copies


def dropout_of(context):
    """What a JointRefit knows of the dropout of a context."""
    return {"dropout": context.dropout, "seed": context.role_seed("dropout")}


def sweep_copies(refit, masks, n_copies, steps, n_sweeps, grid):
    """Newton steps of a JointRefit on copies of its rows.

    Its scores change; its curvatures become those over the copies. `steps` are the
    strength, whether it is L1, and the rate, as the kernels take them.
    """
    from sklearn_prune.models.trees import kernels

    copies = (refit.leaves, masks, n_copies, 1.0 - refit.dropout)
    rows = (refit.y, refit.weight, refit.arrays.start, refit.intercept)
    if refit.loss == "softmax":
        entries = (refit.first, refit.column, refit.W, refit.entry_prior)
        sweep = kernels.sweep_softmax_copies
    else:
        entries, sweep = (refit.W, refit.prior), kernels.sweep_logistic_copies
    sweep(*copies, *rows, *entries, *steps, n_sweeps, grid, refit.H)


def refuse_dropout(context):
    """Raise if dropout is asked for where the leaves are not refitted."""
    if context.dropout > 0:
        raise InvalidParameterError(
            "dropout needs a forest whose leaves are refitted: with one class output, at "
            "least two classes in y, and no monotonic_cst. Got "
            f"dropout={context.dropout} for another one. Write dropout=0.0."
        )
