"""Rows at random: the baseline that every other selector has to beat."""

import numpy as np
from sklearn.utils.validation import validate_data

from sklearn_prune._ranking import Ranking
from sklearn_prune._seeds import row_keys
from sklearn_prune._sklearn_compat import StrOptions, count_rows
from sklearn_prune.sample_selection._base import SampleSelector


class RandomSelector(SampleSelector):
    """Keep rows at random.

    Each row has a uniform key that depends on the seed and its position only. Rows are
    kept in ascending order of their keys, so subsets are nested over `keep` and the same
    whether the rows are read at once or in blocks. In a meta-estimator the rows are
    drawn by stratum unless that is switched off.

    Parameters
    ----------
    scheme : {"exact", "bernoulli"}, default="exact"
        "exact" keeps exactly the number asked for. "bernoulli" deletes each row
        independently with probability ``1 - keep``: the number kept is random and there
        are no strata, though each class keeps a row.
    random_state : int, RandomState instance or None, default=None
        The seed. None takes that of the meta-estimator, if any.

    Attributes
    ----------
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows, most worth keeping first.
    keys_ : ndarray of shape (n_samples,), float
        With ``scheme="bernoulli"``: a row stays if and only if its key is below `keep`.

    See Also
    --------
    L2PenaltySelector : Keeps the rows that a penalised linear model agrees with.

    Notes
    -----
    O(n log n). X is not read, so any container with a length will do: texts, frames,
    tensors.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import RandomSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> RandomSelector(random_state=0).fit(X, y).order_.shape
    (150,)
    """

    allow_nan = True
    draws_rows = True
    order_dependent = True
    takes_several_targets = True

    __metadata_request__fit = {"sample_weight": False}

    _parameter_constraints = {
        "scheme": [StrOptions({"exact", "bernoulli"})],
        "random_state": ["random_state"],
    }

    def __init__(self, scheme="exact", *, random_state=None):
        self.scheme = scheme
        self.random_state = random_state

    def _check_rows(self, X):
        validate_data(self, X, skip_check_array=True)
        return X

    def _rank(self, X, y, context):
        keys = row_keys(self._seed(context), count_rows(X))
        order = np.argsort(keys, kind="stable")
        return Ranking(order, keys=keys if self.scheme == "bernoulli" else None)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        tags.input_tags.string = True
        tags.input_tags.three_d_array = True
        return tags
