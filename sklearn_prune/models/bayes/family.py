"""Naive Bayes and discriminant analysis: features, by what they say about classes."""

import numpy as np
from scipy.sparse import issparse
from scipy.special import logsumexp
from sklearn.preprocessing import binarize

from sklearn_prune.models.features import spreads
from sklearn_prune.predictors import (
    CompactCategorical,
    CompactDiscriminant,
    CompactGaussian,
    CompactLogLinear,
    CompactQuadratic,
    copy_attributes,
)
from sklearn_prune.weight_pruning import Accepted, Family, Refused, Restores
from sklearn_prune.weight_pruning.criteria import MagnitudeCriterion

_LOG_LINEAR = ("MultinomialNB", "ComplementNB", "BernoulliNB")
_KINDS = (
    *_LOG_LINEAR,
    "GaussianNB",
    "CategoricalNB",
    "LinearDiscriminantAnalysis",
    "QuadraticDiscriminantAnalysis",
)


class NaiveBayesFamily(Restores, Family):
    """Predictors and weights of features; `FeatureFamily` drops the columns."""

    criteria = {"feature": (MagnitudeCriterion,)}
    offers = {"feature": ("weights",)}
    validates_float = True

    def accepts(self, model):
        if _kind(model) is None:
            return Refused("only scikit-learn's own naive Bayes models have a predictor")
        return Accepted(self)

    def start(self, model, context):
        if not np.all(getattr(model, "var_", 1.0) > 0):
            size = "" if context is None else f" of n_samples={len(context.y)}"
            raise ValueError(
                f"GaussianNB divides by the variances of features. Got X{size} with one "
                "that is 0 within a class. Drop features that do not vary, or raise "
                "var_smoothing."
            )
        return model

    def compact(self, work):
        return _COMPACT[_kind(work)](work)

    def restore(self, compact, template):
        """A model that predicts; the counts for `partial_fit` are gone."""
        copy_attributes(compact, template)
        _RESTORE[_kind(template)](compact, template)
        return template

    def column_parameters(self, work):
        """Numbers of parameters of each column, and of those of no column.

        Rotations have as many as there are pairs of columns; each counts as one.
        """
        compact, kind = self.compact(work), _kind(work)
        if kind == "QuadraticDiscriminantAnalysis":
            return np.ones(work.n_features_in_, dtype=np.int64), 0
        constants = compact.intercept_ if hasattr(compact, "coef_") else compact.constants_
        fixed = int(np.size(constants))
        if kind == "CategoricalNB":
            return compact.n_categories_.astype(np.int64) * fixed, fixed
        each = (compact.n_parameters() - fixed) // work.n_features_in_
        return np.full(work.n_features_in_, each, dtype=np.int64), fixed

    def weights(self, work, unit, context):
        """What each feature says about the classes.

        For densities and categories the information about the class under the model, the
        mean over rows of ``log p(x | own class) - log p(x)``; for log-linear models the
        root of the variance of ``log p(x | class)`` about its mean over the classes,
        classes weighed by their priors; coefficients times the spread of the columns for
        linear discriminants.
        """
        X, kind = context.array, _kind(work)
        if kind == "LinearDiscriminantAnalysis":
            return np.abs(work.coef_.T) * spreads(X)[:, None]
        if kind in _LOG_LINEAR:
            if kind == "BernoulliNB" and work.binarize is not None:
                X = binarize(X, threshold=work.binarize)
            shares = np.exp(work.class_log_prior_)
            shares = shares / shares.sum()
            logs, _ = _log_weights(work, kind)
            logs = logs - shares @ logs
            return (np.sqrt(shares @ logs**2) * spreads(X))[:, None]
        known = np.isin(context.target, work.classes_)
        codes = np.searchsorted(work.classes_, context.target[known])
        X = (X.toarray() if issparse(X) else X)[known]
        return np.array([[_information(logs, codes)] for logs in _column_logs(work, X)])


def _kind(model):
    """The name of scikit-learn's class that the model is or derives from."""
    for cls in type(model).__mro__:
        if cls.__module__.startswith("sklearn.") and cls.__name__ in _KINDS:
            return cls.__name__
    return None


def _column_logs(model, X):
    """For each column the log-density of each row in each class, prior included."""
    kind = _kind(model)
    if kind == "CategoricalNB":
        columns = zip(model.feature_log_prob_, X.astype(np.int64).T, strict=True)
        for table, column in columns:
            yield table[:, column].T + model.class_log_prior_
        return
    if kind == "GaussianNB":
        means, variances, shares = model.theta_, model.var_, model.class_prior_
    else:
        means, shares = model.means_, model.priors_
        pairs = zip(model.rotations_, model.scalings_, strict=True)
        variances = np.array([rotation**2 @ scaling for rotation, scaling in pairs])
    variances = np.maximum(variances, np.finfo(np.float64).tiny)
    for column, mean, variance in zip(X.T, means.T, variances.T, strict=True):
        squares = (column[:, None] - mean) ** 2 / variance
        yield -0.5 * (squares + np.log(2 * np.pi * variance)) + np.log(shares)


def _information(logs, codes):
    """Mean gain of the log-probability of the own class over its prior, not below 0."""
    posterior = logs[np.arange(len(logs)), codes] - logsumexp(logs, axis=1)
    counts = np.bincount(codes)
    entropy = -np.mean(np.log(counts[codes] / len(codes)))
    return max(0.0, posterior.mean() + entropy)


def _log_weights(model, kind):
    """Weight of each column in each class, and the constant of each class."""
    logs, constants = model.feature_log_prob_, model.class_log_prior_
    if kind == "BernoulliNB":
        negative = np.log(1 - np.exp(logs))
        return logs - negative, constants + negative.sum(axis=1)
    if kind == "ComplementNB" and len(model.classes_) > 1:
        return logs, np.zeros_like(constants)
    return logs, constants


def _compact_gaussian(model):
    volumes = np.sum(np.log(2.0 * np.pi * model.var_), axis=1)
    with np.errstate(divide="ignore"):  # a class whose rows all weigh nothing
        constants = np.log(model.class_prior_) - 0.5 * volumes
    return CompactGaussian.of(
        model, theta_=model.theta_, var_=model.var_, constants_=constants
    )


def _restore_gaussian(compact, model):
    model.theta_, model.var_ = compact.theta_, compact.var_
    volumes = np.sum(np.log(2.0 * np.pi * compact.var_), axis=1)
    model.class_prior_ = np.exp(compact.constants_ + 0.5 * volumes)


def _compact_log_linear(model):
    weights, constants = _log_weights(model, _kind(model))
    compact = CompactLogLinear.of(model, weights_=weights, constants_=constants)
    if getattr(model, "binarize", None) is not None:
        compact.threshold_ = float(model.binarize)
    return compact


def _restore_log_linear(compact, model):
    weights = np.asarray(compact.weights_)
    model.feature_log_prob_, model.class_log_prior_ = weights, compact.constants_
    if _kind(model) == "BernoulliNB":
        model.feature_log_prob_ = -np.logaddexp(0, -weights)
        model.class_log_prior_ = compact.constants_ + np.logaddexp(0, weights).sum(axis=1)


def _compact_categorical(model):
    return CompactCategorical.of(
        model,
        table_=np.concatenate([table.T for table in model.feature_log_prob_]),
        n_categories_=np.array([table.shape[1] for table in model.feature_log_prob_]),
        constants_=model.class_log_prior_,
    )


def _restore_categorical(compact, model):
    cuts = np.cumsum(compact.n_categories_)[:-1]
    tables = np.split(np.asarray(compact.table_), cuts)
    model.feature_log_prob_ = [table.T for table in tables]
    model.class_log_prior_ = compact.constants_
    model.n_categories_ = compact.n_categories_
    model.class_count_ = np.full(len(compact.classes_), np.nan)


def _compact_quadratic(model):
    return CompactQuadratic.of(
        model,
        means_=model.means_,
        rotations_=np.hstack(model.rotations_),
        scalings_=np.concatenate(model.scalings_),
        ranks_=np.array([len(scaling) for scaling in model.scalings_]),
        priors_=model.priors_,
    )


def _restore_quadratic(compact, model):
    parts = list(compact._per_class())
    model.means_, model.priors_ = compact.means_, compact.priors_
    model.rotations_ = [rotation for _, rotation, _ in parts]
    model.scalings_ = [scaling for _, _, scaling in parts]


def _compact_discriminant(model):
    return CompactDiscriminant.of(model, coef_=model.coef_, intercept_=model.intercept_)


def _restore_discriminant(compact, model):
    model.coef_, model.intercept_ = np.asarray(compact.coef_), compact.intercept_


_COMPACT = {
    **dict.fromkeys(_LOG_LINEAR, _compact_log_linear),
    "GaussianNB": _compact_gaussian,
    "CategoricalNB": _compact_categorical,
    "LinearDiscriminantAnalysis": _compact_discriminant,
    "QuadraticDiscriminantAnalysis": _compact_quadratic,
}
_RESTORE = {
    **dict.fromkeys(_LOG_LINEAR, _restore_log_linear),
    "GaussianNB": _restore_gaussian,
    "CategoricalNB": _restore_categorical,
    "LinearDiscriminantAnalysis": _restore_discriminant,
    "QuadraticDiscriminantAnalysis": _restore_quadratic,
}
