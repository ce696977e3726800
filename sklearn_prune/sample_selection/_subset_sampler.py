"""A sampler that drops the rows that a selector does not keep."""

from sklearn.utils.validation import validate_data

from sklearn_prune._docs import fill
from sklearn_prune._meta import MODEL, all_or_nothing, route_fit_params, routing_enabled
from sklearn_prune._seeds import draw_seed
from sklearn_prune._sklearn_compat import fit_context, take_rows
from sklearn_prune._validation import check_rows
from sklearn_prune.sample_selection._base import TASK_OPTIONS
from sklearn_prune.sample_selection._subset import SUBSET, SampleSubset


@fill(MODEL, SUBSET)
class SampleSubsetSampler(SampleSubset):
    """Drop rows from X and y, for the Pipeline of imbalanced-learn.

    A scikit-learn Pipeline cannot drop rows and raises an error for a sampler. Use the
    Pipeline of ``imblearn.pipeline``, or :class:`SampleSubsetClassifier` or
    :class:`SampleSubsetRegressor` as the last step. These two also drop the rows of
    `sample_weight`, which a sampler cannot. No Pipeline passes `sample_weight_` on.

    Parameters
    ----------
    {selector, keep, stratify, task, weighting, by_group, memory, random_state}

    Attributes
    ----------
    {selector_, sample_indices_, sample_mask_, sample_scores_, sample_weight_, task_,
     n_features_in_, feature_names_in_}

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
        X, y, **params : object
            As in `fit`; y must be given.

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
