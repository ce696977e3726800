"""Checks of scikit-learn's parts: positions that compiled code follows, and patterns."""

import os
from inspect import getattr_static

import numpy as np
from scipy.sparse import issparse
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.preprocessing import OneHotEncoder

from sklearn_prune._sklearn_compat import columns_of_encoder
from sklearn_prune.predictors import is_count, need, need_consent


def check_parts(loaded, functions):
    """Raise ValueError unless the arrays of all parts fit together.

    `functions` holds the patterns of vectorizers to which the caller agrees.
    """
    seen, left = set(), [loaded]
    while left:
        part = left.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            left.extend(part.values())
        elif isinstance(part, list | tuple | set):
            left.extend(part)
        elif isinstance(part, np.ndarray):
            if part.dtype == object:
                left.extend(part.ravel().tolist())
        elif issparse(part):
            part.check_format(full_check=True)
        elif type(part).__module__.startswith("sklearn."):
            _check_names(part)
            left.extend(vars(part).values())
            _check_part(part, functions)


def _check_part(part, functions):
    for kind, check in _CHECKS.items():
        if isinstance(part, kind):
            check(part)
    if hasattr(part, "cluster_centers_"):
        fits = np.shape(part.cluster_centers_)[1:] == (part.n_features_in_,)
        need(fits, "cluster_centers_")
    for name in ("n_jobs", "_n_threads"):
        if isinstance(vars(part).get(name), int):
            setattr(part, name, min(getattr(part, name), os.cpu_count() or 1))
    if isinstance(part, FeatureHasher | HashingVectorizer):
        need(is_count(part.n_features, 1), "n_features")
    need_consent(vars(part), functions)


def _check_names(part):
    """No attribute may stand in the place of a method, or be set by a property."""
    for name in vars(part):
        known = getattr_static(type(part), name, None)
        method = callable(known) and not isinstance(known, type)
        fits = not method and not hasattr(type(known), "__get__")
        need(fits and not name.startswith("__"), f"the attribute {name}")


def _check_vocabulary(vectorizer):
    """Columns of a matrix that scipy is handed without a look at them."""
    words = getattr(vectorizer, "vocabulary_", {})
    need(sorted(words.values()) == list(range(len(words))), "vocabulary_")


def _check_encoder(encoder):
    """Likewise."""
    if hasattr(encoder, "categories_"):
        columns_of_encoder(encoder)


_CHECKS = {
    CountVectorizer: _check_vocabulary,
    DictVectorizer: _check_vocabulary,
    OneHotEncoder: _check_encoder,
}
