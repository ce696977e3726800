"""A sampler that drops the rows that a selector does not keep."""

from sklearn.utils.validation import validate_data

from sklearn_prune._meta import all_or_nothing, route_fit_params, routing_enabled
from sklearn_prune._seeds import draw_seed
from sklearn_prune._sklearn_compat import fit_context, take_rows
from sklearn_prune._validation import check_rows
from sklearn_prune.sample_selection._base import TASK_OPTIONS
from sklearn_prune.sample_selection._subset import SampleSubset


class SampleSubsetSampler(SampleSubset):
    """Drop rows from X and y, for the Pipeline of imbalanced-learn.

    A scikit-learn Pipeline cannot drop rows and raises an error for a sampler. Use the
    Pipeline of ``imblearn.pipeline``, or :class:`SampleSubsetClassifier` or
    :class:`SampleSubsetRegressor` as the last step. These two also drop the rows of
    `sample_weight`, which a sampler cannot.

    Parameters
    ----------
    selector : selector or Pipeline that ends in one, default=None
        Ranks the rows. None is ``RandomSelector()``.
    keep : float in (0, 1], int >= 2 or "auto", default=0.5
        Fraction or number of rows to keep, or the selector's own choice. 1.0 keeps all
        rows and ranks nothing.
    stratify : {"auto", "quantiles"} or None, default="auto"
        "auto" keeps the proportions of the classes, if y holds classes; "quantiles" those
        of the tenths of a continuous y.
    task : {"auto", "classification", "regression"}, default="auto"
        What y is. "auto": strings, bools, and at most max(20, sqrt(n)) different integral
        values are classes.
    weighting : {"coverage", "inverse_probability"} or None, default=None
        Weights of the kept rows for `sample_weight_`; no Pipeline
        hands them on. "coverage" counts the rows that a
        kept row is the nearest to, within its class. "inverse_probability", for
        selectors that draw rows, makes weighted sums over the kept rows unbiased. None
        is usually as good or better.
    by_group : bool, default=False
        Whether rows of one group, as `groups` in fit says, are kept or dropped together:
        groups come in the order of the mean rank of their rows, and the number of rows
        is as near to `keep` as whole groups allow. There are no strata then.
    memory : str, joblib.Memory or None, default=None
        Caches rankings, so that several values of `keep` rank once.
    random_state : int, RandomState instance or None, default=None
        Seeds the selector.

    Attributes
    ----------
    selector_ : selector, Pipeline or None
        The fitted selector; None where nothing was ranked.
    sample_indices_ : ndarray of shape (n_kept,), int
        Sorted positions of the kept rows.
    sample_mask_ : ndarray of shape (n_samples,), bool
        True for the kept rows.
    sample_scores_ : ndarray of shape (n_samples,), float, or None
        Scores of the rows, larger is better, where the selector has any.
    sample_weight_ : ndarray of shape (n_kept,), float, or None
        Weights of the kept rows, where `weighting` asks for any.
    task_ : str or None
        What y was taken for.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has any.

    See Also
    --------
    SampleSubsetClassifier : The same for a scikit-learn Pipeline.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_prune import SampleSubsetSampler
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X_kept, y_kept = SampleSubsetSampler(keep=100, random_state=0).fit_resample(X, y)
    >>> X_kept.shape, y_kept.shape
    ((100, 10), (100,))
    """

    _estimator_type = "sampler"  # how imbalanced-learn knows one
    _parameter_constraints = {**SampleSubset._parameter_constraints, "task": [TASK_OPTIONS]}

    def __init__(
        self,
        selector=None,
        *,
        keep=0.5,
        stratify="auto",
        task="auto",
        weighting=None,
        by_group=False,
        memory=None,
        random_state=None,
    ):
        self.selector = selector
        self.keep = keep
        self.stratify = stratify
        self.task = task
        self.weighting = weighting
        self.by_group = by_group
        self.memory = memory
        self.random_state = random_state

    @all_or_nothing
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, **params):
        """Choose the rows to keep.

        Parameters
        ----------
        X : array-like, sparse matrix, frame or list of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,), default=None
            Targets, classes or continuous.
        **params : dict
            `sample_weight` and `groups` for the selector.

        Returns
        -------
        self : SampleSubsetSampler
            The fitted sampler.
        """
        self._check_arguments()
        X, y = check_rows(X, y)
        unknown = set(params) - {"sample_weight", "groups"}
        if unknown and not routing_enabled():
            raise TypeError(
                "SampleSubsetSampler takes sample_weight and groups in fit. Got "
                f"{sorted(unknown)}. Pass only these two."
            )
        _, selector_params = route_fit_params(
            self, params, inner=None, selector=self._effective_selector()
        )
        seed = None if self.random_state is None else draw_seed(self.random_state)
        choice = self._choose(X, y, selector_params, seed)
        self._store_choice(choice)
        validate_data(self, X, skip_check_array=True)
        return self

    def fit_resample(self, X, y, **params):
        """Choose the rows to keep and return them.

        Parameters
        ----------
        X : array-like, sparse matrix, frame or list of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,)
            Targets, classes or continuous.
        **params : dict
            `sample_weight` and `groups` for the selector.

        Returns
        -------
        X_kept, y_kept : same types as X and y, of length n_kept
            The kept rows and their targets, in their original order.
        """
        if y is None:
            raise ValueError(
                "SampleSubsetSampler requires y to be passed, but the target y is None. "
                "Call fit_resample(X, y), or take X[fit(X).sample_indices_]."
            )
        kept = self.fit(X, y, **params).sample_indices_
        X, y = check_rows(X, y)
        return take_rows(X, kept), take_rows(y, kept)

    def __sklearn_tags__(self):
        return self._inherit_tags(super().__sklearn_tags__())
