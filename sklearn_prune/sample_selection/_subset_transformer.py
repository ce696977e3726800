"""A transformer that is fitted on the rows that a selector keeps."""

import warnings
from importlib import import_module

import numpy as np
from scipy.sparse import issparse, vstack
from sklearn.base import TransformerMixin
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_prune._docs import fill
from sklearn_prune._meta import (
    MODEL,
    all_or_nothing,
    has_tags,
    inner_has,
    routing_enabled,
)
from sklearn_prune._sklearn_compat import (
    count_rows,
    fit_context,
    take_rows,
    take_rows_of_params,
)
from sklearn_prune._validation import check_rows
from sklearn_prune.sample_selection._base import TASK_OPTIONS
from sklearn_prune.sample_selection._subset import SUBSET, SampleSubset, SampleSubsetModel


@fill(MODEL, SUBSET)
class SampleSubsetTransformer(TransformerMixin, SampleSubsetModel):
    """Fit a transformer on fewer rows and transform every row.

    For transformers whose cost grows fast with the number of rows they are fitted on:
    Nystroem, KernelPCA, KNNImputer, SplineTransformer. `transform` never drops a row.

    Parameters
    ----------
    transformer : transformer
        The transformer to fit. A fitted one is passed as ``FrozenEstimator(model)``.
    {selector, keep, stratify, task, weighting, by_group, memory, random_state}

    Attributes
    ----------
    transformer_ : transformer
        The transformer fitted on the kept rows.
    {selector_, sample_indices_, sample_mask_, sample_scores_, sample_weight_, task_,
     n_features_in_, feature_names_in_, n_iter_}

    See Also
    --------
    SampleSubsetClassifier : Fits a classifier on fewer rows.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import KernelPCA
    >>> from sklearn_prune import SampleSubsetTransformer
    >>> X, y = load_digits(return_X_y=True)
    >>> pca = SampleSubsetTransformer(KernelPCA(8), keep=200, random_state=0)
    >>> pca.fit_transform(X, y).shape
    (1797, 8)
    """

    _inner = "transformer"
    _kind = "transformer"
    _delegated = ("transform", "inverse_transform")
    _parameter_constraints = {**SampleSubset._parameter_constraints, "task": [TASK_OPTIONS]}

    def __init__(
        self,
        transformer,
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
        self.transformer = transformer
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
    def fit(self, X, y=None, **fit_params):
        """Fit the transformer on the rows that the selector keeps.

        Parameters
        ----------
        X : array-like, sparse matrix, frame or list of shape (n_samples, ...)
            Training rows.
        y : array-like of shape (n_samples,), default=None
            Targets, where the transformer or the selector reads them.
        **fit_params : dict
            Parameters for the fit of the transformer; those with one entry for each row
            are sliced along. `sample_weight` and `groups` also reach the selector.

        Returns
        -------
        self : SampleSubsetTransformer
            The fitted meta-estimator.
        """
        self._fit(X, y, fit_params)
        return self

    def _fit_methods(self):
        # Rows that are not kept are transformed after the fit, by parameters of their own.
        crosses = hasattr(self.transformer, "fit_transform")
        fits = "fit_transform" if crosses else "fit"
        return {"fit": ("fit",), "fit_transform": (fits, "transform")}

    def _fit(self, X, y, fit_params, *, caller="fit", method="fit"):
        for part in _transformers_in(self.transformer):
            if y is None and get_tags(part).target_tags.required:
                raise ValueError(
                    f"{type(part).__name__} requires y to be passed, but the target y is "
                    "None. Call fit(X, y)."
                )
        return super()._fit(X, y, fit_params, caller=caller, method=method)

    @all_or_nothing
    @fit_context(prefer_skip_nested_validation=False)
    def fit_transform(self, X, y=None, **fit_params):
        """Fit the transformer on the rows that the selector keeps and transform all.

        The kept rows come from `fit_transform` of the transformer, where it has one, and
        the others from `transform` after it. So a transformer that is cross-fitted, such
        as TargetEncoder, does not encode a row by its own label. With ``keep=1.0`` this is
        `fit_transform` of the transformer.

        Parameters
        ----------
        X, y, **fit_params : object
            As in `fit`.

        Returns
        -------
        array-like of shape (n_samples, n_features_out)
            As many rows as came in, in their order.
        """
        method = self._fit_methods()["fit_transform"][0]
        found = self._fit(X, y, fit_params, caller="fit_transform", method=method)
        params = {}
        if fit_params and routing_enabled():
            routed = process_routing(self, "fit_transform", **fit_params)
            params = routed[self._inner]["transform"]
        X, _ = check_rows(X, None)
        n, kept = count_rows(X), self.sample_indices_
        if method == "fit":
            return self._call("transform", X, params)
        if len(kept) == n:
            return found
        others = np.setdiff1d(np.arange(n), kept, assume_unique=True)
        params = take_rows_of_params(X, params, others)
        rest = self._call("transform", take_rows(X, others), params)
        if isinstance(found, tuple):  # partial least squares: scores of X and of y
            found = found[0]
        return _joined(X, kept, found, others, rest)

    def transform(self, X, **params):
        """Transform every row.

        Parameters
        ----------
        {X, **params}

        Returns
        -------
        array-like of shape (n_samples, n_features_out)
            As many rows as came in.
        """
        return self._ask("transform", X, params)

    @available_if(
        inner_has("inverse_transform", fitted="transformer_", unfitted="transformer")
    )
    def inverse_transform(self, X, **params):
        """Map transformed rows back.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_out)
            Transformed rows.
        {**params}

        Returns
        -------
        array-like of shape (n_samples, n_features)
            Rows in the space of the input.
        """
        return self._ask("inverse_transform", X, params)

    @available_if(
        inner_has("get_feature_names_out", fitted="transformer_", unfitted="transformer")
    )
    def get_feature_names_out(self, input_features=None):
        """Get the names of the features that `transform` gives.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features that it takes.

        Returns
        -------
        ndarray of str
            Names of the features that it gives.
        """
        check_is_fitted(self)
        return self.transformer_.get_feature_names_out(input_features)

    def __sklearn_tags__(self):
        return self._inherit_tags(super().__sklearn_tags__())


def _transformers_in(part):
    """The transformer, and those in a Pipeline, FeatureUnion or ColumnTransformer."""
    if not has_tags(part):
        return
    yield part
    for name in ("steps", "transformers", "transformer_list"):
        for named in getattr(part, name, None) or ():
            yield from _transformers_in(named[1])


def _joined(X, kept, found, others, rest):
    """What a transformer gives for the kept rows and for the others, in the order of X."""
    order = np.argsort(np.concatenate([kept, others]))
    if issparse(found) or issparse(rest):
        kind = found.format if issparse(found) else rest.format
        return vstack([found, rest], format="csr")[order].asformat(kind)
    if isinstance(found, list):
        both = [*found, *rest]
        return [both[position] for position in order]
    library = type(found).__module__.partition(".")[0]
    if library == "torch":
        return import_module(library).cat([found, rest])[order]
    if library == "polars":
        return import_module(library).concat([found, rest], how="vertical_relaxed")[order]
    if library != "pandas":
        return np.concatenate([found, rest])[order]
    with warnings.catch_warnings():
        # Columns that are missing in all rows of one part.
        warnings.simplefilter("ignore", FutureWarning)
        joined = import_module(library).concat([found, rest]).iloc[order]
    of_rows = hasattr(X, "iloc") and found.index.equals(X.index[kept])
    if not of_rows and np.array_equal(found.index, np.arange(len(found))):
        return joined.reset_index(drop=True)  # each part was numbered from 0
    return joined
