"""Naive Bayes and discriminant analysis: features, ranked by what they say about classes."""

import numpy as np
from scipy.sparse import issparse
from sklearn.preprocessing import binarize

from sklearn_prune.weight_pruning._family import Family
from sklearn_prune.weight_pruning.compact._naive_bayes import (
    CompactCategorical,
    CompactDiscriminant,
    CompactGaussian,
    CompactLogLinear,
    CompactQuadratic,
)
from sklearn_prune.weight_pruning.criteria import MagnitudeCriterion
from sklearn_prune.weight_pruning.families._feature import spreads

_LOG_LINEAR = ("MultinomialNB", "ComplementNB", "BernoulliNB")
_KINDS = (
    *_LOG_LINEAR,
    "GaussianNB",
    "CategoricalNB",
    "LinearDiscriminantAnalysis",
    "QuadraticDiscriminantAnalysis",
)


class NaiveBayesFamily(Family):
    """Compact forms and weights of features; `FeatureFamily` drops the columns."""

    criteria = {"feature": (MagnitudeCriterion,)}

    def accepts(self, model):
        if _kind(model) is None:
            return "only scikit-learn's own naive Bayes models have a compact form"
        return None

    def start(self, model, context):
        return model

    def compact(self, work):
        return _COMPACT[_kind(work)](work)

    def restore(self, compact, template, context=None):
        """A model that predicts; it lacks the counts that `partial_fit` would go on from."""
        for name in ("classes_", "n_features_in_", "feature_names_in_"):
            if hasattr(compact, name):
                setattr(template, name, getattr(compact, name))
        _RESTORE[_kind(template)](compact, template)
        return template

    def weights(self, work, unit, context):
        """How much the log-likelihood ratios of the classes vary over the rows.

        For each feature, the root of the variance of ``log p(x | class)`` minus its mean
        over the classes; classes weigh by their priors. Coefficients times the spread of
        the columns for linear discriminants.
        """
        X, kind = context.array, _kind(work)
        if kind == "LinearDiscriminantAnalysis":
            return np.abs(work.coef_.T) * spreads(X)[:, None]
        if kind == "QuadraticDiscriminantAnalysis":
            pairs = zip(work.rotations_, work.scalings_, strict=True)
            variances = np.array([(rotation**2) @ scaling for rotation, scaling in pairs])
            return _gaussian_variation(X, work.means_, variances, work.priors_)
        if kind == "GaussianNB":
            return _gaussian_variation(X, work.theta_, work.var_, work.class_prior_)
        shares = np.exp(work.class_log_prior_)
        shares = shares / shares.sum()
        if kind == "CategoricalNB":
            return np.array(
                [
                    [_variation(table[:, column].T, shares)]
                    for table, column in zip(
                        work.feature_log_prob_, X.astype(np.int64).T, strict=True
                    )
                ]
            )
        if kind == "BernoulliNB" and work.binarize is not None:
            X = binarize(X, threshold=work.binarize)
        logs, _ = _log_weights(work, kind)
        logs = logs - shares @ logs
        return (np.sqrt(shares @ logs**2) * spreads(X))[:, None]


def _kind(model):
    """The name of scikit-learn's class that the model is or derives from."""
    for cls in type(model).__mro__:
        if cls.__module__.startswith("sklearn.") and cls.__name__ in _KINDS:
            return cls.__name__
    return None


def _variation(logs, shares):
    """Root of the variance over rows of logs, (n_rows, n_classes), about the class mean."""
    ratios = logs - (logs @ shares)[:, None]
    return np.sqrt(ratios.var(axis=0) @ shares)


def _gaussian_variation(X, means, variances, shares):
    """The same for normal densities, column by column."""
    X = X.toarray() if issparse(X) else X
    variances = np.maximum(variances, np.finfo(np.float64).tiny)
    found = [
        _variation(-0.5 * (column[:, None] - mean) ** 2 / variance, shares)
        for column, mean, variance in zip(X.T, means.T, variances.T, strict=True)
    ]
    return np.array(found)[:, None]


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
