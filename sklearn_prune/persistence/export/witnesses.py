"""Rows that reach every branch of a fitted model, made from what the model holds."""

import warnings
from functools import partial
from itertools import cycle, islice

import numpy as np
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.metrics import pairwise_distances
from sklearn.metrics.pairwise import nan_euclidean_distances
from sklearn.pipeline import FeatureUnion, Pipeline

from sklearn_prune._lazy import has
from sklearn_prune._sklearn_compat import columns_read, rows_of_imputer
from sklearn_prune.models.readers import fitted_step
from sklearn_prune.predictors import CompactTransformer, QuantizedArray
from sklearn_prune.predictors import dense as dense_array

WIDE = 1 << 16  # columns of hashes, from which on few rows are tried
MISSING = (None, float("nan"))
UNKNOWN = "an unknown category"
_MOST = 64  # values of one column
_FEW_COLUMNS = 40  # which are tried one by one
_EXTREME = 1e4  # times the span of a column
_GROUPS = {  # of rows: what they hold beside values in the span of the fit
    "inside": (64, ()),
    "far": (48, ("far",)),
    "missing": (32, ("missing",)),
    "unknown": (32, ("unknown",)),
    "all": (32, ("far", "missing", "unknown")),
    "alike": (0, ()),
    "positive": (64, ("positive",)),
    "counts": (64, ("counts",)),
}
_ENOUGH = 64  # rows, with which the fallbacks are not needed
_FALLBACKS = ("positive", "counts")
_NOT_VALUES = {"classes_", "feature_names_in_", "n_features_in_"}


def is_missing(value):
    """Whether a value is None, NaN, or the missing value of pandas."""
    nan = isinstance(value, float) and value != value
    return value is None or nan or type(value).__name__ in ("NAType", "NaTType")


def unwrapped(part):
    """What transforms or predicts inside frozen models and models on fewer rows.

    Numpy forms of transformers become fitted transformers of scikit-learn.
    """
    while True:
        part = fitted_step(part) if isinstance(part, CompactTransformer) else part
        inner = getattr(part, "transformer_", None)
        if inner is None and type(part).__name__ == "FrozenEstimator":
            inner = part.estimator
        if inner is None or not hasattr(inner, "get_params"):
            return part
        part = inner


def reads_texts(part):
    """Whether a transformer, or the first step of a pipeline, reads texts, not rows."""
    part = unwrapped(part)
    steps = getattr(part, "steps", None) or getattr(part, "steps_", None)
    if steps:
        return reads_texts(steps[0][1])
    if isinstance(part, FeatureUnion):
        return any(reads_texts(inner) for _, inner in part.transformer_list)
    if hasattr(part, "members_"):
        return any(map(reads_texts, part.members_))
    return hasattr(part, "build_analyzer")


def values_of(part, n_columns):
    """Lists of values worth trying, one for each column that a fitted object reads."""
    part = unwrapped(part)
    found = [[] for _ in range(n_columns)]

    def add(columns, lists):
        for column, values in zip(columns, lists, strict=False):
            found[column].extend(values)

    if isinstance(part, Pipeline) or hasattr(part, "steps_"):
        steps = [step for _, step in getattr(part, "steps", None) or part.steps_]
        steps = [*steps, *getattr(part, "members_", ())]
        steps = [step for step in steps if step is not None and step != "passthrough"]
        for step in steps:
            lists = values_of(step, n_columns)
            if step is not steps[0]:  # numbers are others by now, texts are not
                lists = [[each for each in own if isinstance(each, str)] for own in lists]
            add(range(n_columns), lists)
            if not isinstance(unwrapped(step), SimpleImputer):
                break
    elif isinstance(part, FeatureUnion):
        for _, inner in part.transformer_list:
            add(range(n_columns), values_of(inner, n_columns))
    elif isinstance(part, ColumnTransformer):
        read = columns_read(part)
        for name, inner, _ in part.transformers_:
            columns = read.get(name, ())
            add(columns, values_of(inner, len(columns)))
    elif hasattr(part, "build_analyzer"):
        found[0] = texts_for(part)
    elif hasattr(part, "inner_"):
        add(part.columns_, values_of(part.inner_, len(part.columns_)))
    elif hasattr(part, "members_"):
        columns = getattr(part, "columns_", [None] * len(part.members_))
        for member, own in islice(zip(part.members_, columns, strict=True), 20):
            own = range(n_columns) if own is None else own
            add(own, values_of(member, len(own)))
    elif hasattr(part, "get_params"):
        add(range(n_columns), _held(getattr(part, "model_", part), n_columns))
    return found


def _held(part, n_columns):
    """Values in the arrays of a fitted object that have an entry for each column."""
    found = [[] for _ in range(n_columns)]
    if hasattr(part, "trees_"):
        columns = part.trees_.columns
        arrays = part.trees_.to_arrays()
        split = (arrays.left >= 0) & (arrays.category < 0)
        for column in np.unique(columns.feature[columns.feature < n_columns]):
            values = np.unique(arrays.threshold[split & (arrays.feature == column)])
            found[column].extend(_some(values, 20).tolist())
    for name, value in vars(part).items():
        if name in _NOT_VALUES:
            continue
        if isinstance(value, dict) and name == "categories_":
            for column, values in value.items():
                found[column].extend(np.asarray(values).tolist())
            continue
        if isinstance(value, QuantizedArray):
            value = value.dense()
        if hasattr(value, "toarray"):
            value = value[:20].toarray() if value.ndim == 2 else None
        if not isinstance(value, np.ndarray | list | tuple):
            continue
        arrays = [each for each in value if isinstance(each, np.ndarray)]
        if len(value) == n_columns and any(each.ndim == 1 for each in arrays):
            for own, values in zip(found, value, strict=True):
                values = np.ravel(values)
                own.extend(_some(values, _MOST).tolist())
                if values.dtype.kind == "f" and len(values) > 1:
                    for share in (0.001, 0.5, 0.999) if len(values) < _MOST else (0.5,):
                        between = (1 - share) * values[:-1] + share * values[1:]
                        own.extend(_some(between, _MOST).tolist())
        elif not isinstance(value, np.ndarray):
            continue
        elif value.ndim == 1 and len(value) == n_columns:
            for own, each in zip(found, value.tolist(), strict=True):
                own.append(each)
        elif value.ndim == 2 and value.shape[1] == n_columns and value.dtype.kind in "fiu":
            for own, values in zip(found, _some(value, 10).T, strict=True):
                own.extend(values.tolist())
    return found


def _some(values, most):
    """At most this number of entries, evenly over all of them."""
    if len(values) <= most:
        return values
    places = np.linspace(0, len(values) - 1, most).astype(int)
    if isinstance(values, list):
        return [values[place] for place in places]
    return values[places]


def witness_rows(function, part, kinds, *, documents, jitter=0.0):
    """Rows for what reads columns of these kinds, and what a function gives for them.

    A list of pairs, with 64 rows and more unless the function refuses them. `kinds` are
    numpy dtypes, object for texts. Numbers are moved by a share of `jitter`, so that none
    is on an edge.
    """
    lists = values_of(part, len(kinds))
    rng = np.random.default_rng(0)
    pools = [
        _Texts(own, documents) if kind.kind in "OU" else _Numbers(own, kind, rng)
        for own, kind in zip(lists, kinds, strict=True)
    ]
    found, clean, n_found = [], None, 0
    for name in ["inside"] if documents else _GROUPS:
        n_rows, extras = _GROUPS[name]
        if name in _FALLBACKS and n_found >= _ENOUGH:
            continue
        if name == "inside":  # each value at least once
            n_rows = max(n_rows, *(min(pool.size, 512) for pool in pools))
        if name == "alike":
            columns = [pool.alike() for pool in pools]
            n_rows = max(map(len, columns))
            columns = [np.resize(own, n_rows) for own in columns]
        else:
            columns = [pool.column(n_rows, extras, rng) for pool in pools]
        if jitter:
            columns = [_moved(own, jitter, rng) for own in columns]
        make = partial(rows_of, part=part, documents=documents)
        answer, columns = _accepted(function, make, columns, clean)
        if answer is not None:
            clean = clean or columns
            n_found += len(columns[0])
            found.append((make(columns), answer))
    return found


def _moved(column, share, rng):
    if column.dtype.kind != "f":
        return column
    moved = column * (1 + share * rng.uniform(0.5, 1, len(column)))
    return moved.astype(np.float32).astype(column.dtype)


class _Numbers:
    def __init__(self, values, dtype, rng):
        self.dtype = dtype
        values = [
            float(each)
            for each in values
            if isinstance(each, bool | int | float) and abs(each) < 1e30
        ]
        inside = np.unique(_some(np.sort(np.asarray(values, dtype=float)), 4 * _MOST))
        if not len(inside):
            inside = np.round(rng.normal(size=20), 2)
        low, high = inside.min(), inside.max()
        self.span = (high - low) or abs(high) or 1.0
        self.inside = np.concatenate([inside, rng.uniform(low, low + self.span, 9)])
        self.far = np.array([0.0, -1.0, 1.0, 1e-9, low - self.span, high + self.span])
        extreme = np.array([low - _EXTREME * self.span, high + _EXTREME * self.span])
        self.far = np.concatenate([self.far, -inside[:9], extreme])
        self.size = len(self.inside)

    def column(self, n_rows, extras, rng):
        values = self.inside
        if "far" in extras:
            values = np.concatenate([self.far, self.far, values[: len(self.far)]])
        column = _spread(values, n_rows, rng)
        if "positive" in extras:
            column = np.abs(column) + 0.1
        if "counts" in extras:
            column = rng.integers(0, 3, n_rows)
        if "unknown" in extras:
            column = np.where(rng.random(n_rows) < 0.3, self.inside.max() + 1, column)
        if "missing" in extras and self.dtype.kind == "f":
            column = np.where(rng.random(n_rows) < 0.3, np.nan, column)
        return self._typed(column)

    def alike(self):
        """Rows of which all columns are of one sign, zero, missing, or far."""
        size = np.abs(self.inside[:4])
        ends = np.concatenate([-size - 1, size, [0.0, -0.0], self.far[-2:], -size])
        return self._typed(np.append(ends, np.nan if self.dtype.kind == "f" else 0))

    def _typed(self, column):
        if self.dtype.kind == "b":
            return column > np.median(self.inside)
        if self.dtype.kind in "iu":
            return as_whole(np.rint(column), self.dtype)
        return column.astype(self.dtype)


class _Texts:
    def __init__(self, values, documents):
        known = [each for each in dict.fromkeys(values) if isinstance(each, str)]
        self.known = known or ["a", "b", "c"]
        self.documents = documents
        self.size = len(self.known)

    def column(self, n_rows, extras, rng):
        values = list(self.known)
        if self.documents:
            return _as_objects(islice(cycle(values), n_rows))
        column = _spread(_as_objects(values), n_rows, rng)
        for name, others in (("missing", MISSING), ("unknown", (UNKNOWN, ""))):
            if name in extras:
                taken = np.flatnonzero(rng.random(n_rows) < 0.3)
                column[taken] = _as_objects(islice(cycle(others), len(taken)))
        return column

    def alike(self):
        return _as_objects([self.known[0], "" if self.documents else UNKNOWN])


def as_whole(values, dtype):
    """Whole numbers in a type of integers; zero where a value is missing."""
    limits = np.iinfo(dtype)
    return np.clip(np.nan_to_num(values), limits.min, limits.max).astype(dtype)


def _spread(values, n_rows, rng):
    """Each of the values about as often, in random order."""
    rounds = [rng.permutation(values) for _ in range(-(-n_rows // len(values)))]
    return np.concatenate(rounds)[:n_rows]


def _as_objects(values):
    values = list(values)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


_WORDS = ("data", "model", "row", "tree", "value", "word", "river", "stone", "green")


def texts_for(vectorizer):
    """Texts of the terms that a vectorizer knows, and of all that it has to leave out."""
    rng = np.random.default_rng(0)
    terms = list(getattr(vectorizer, "vocabulary_", None) or _WORDS)
    terms = [terms[at] for at in rng.permutation(len(terms))[:300]]
    stops = sorted(vectorizer.get_stop_words() or ())[:20] or ["the", "of"]
    dropped = ["a", "I", "'", "-", "1", "_", "é", *stops, *(each.title() for each in stops)]
    ends = ["", " ", "\t\n", ".", "a", "'", "a b c", "??!", "Zürich", "don't", "x_y 12 ½"]
    ends += [
        "naïve CAFÉ",
        "日本 語",
        "unseenword",
        "I.B.M.",
        "ÀB cD Straße",
        "İzmir \x0b x",
    ]
    texts = list(ends)
    for number in range(96):
        some = [terms[at] for at in rng.integers(len(terms), size=2 + number % 9)]
        if number % 3 == 0:  # n-grams over what is dropped
            joints = [f" {word} " for word in rng.choice(dropped, 9)]
            words = [word for term in some for word in (term.split(" ") or [term])]
            text = "".join(
                word + joint for word, joint in zip(words, cycle(joints), strict=False)
            )
        elif number % 3 == 1:
            text = " ".join([some[0]] * (1 + number // 8) + some + [rng.choice(ends)])
        else:
            text = (" ", "  ", ", ", "\n", "'s ")[number % 5].join(some)
        texts.append((text, text.upper(), text.title())[number % 4 % 3])
    texts += [term.upper() for term in terms[:20]] + terms[:40]
    return _some(texts, 64) if getattr(vectorizer, "n_features", 0) > WIDE else texts


def _accepted(function, make, columns, clean):
    """What a function gives for rows, and the columns of those that it does not refuse.

    `clean` are columns that it does not refuse: they stand in for others.
    """

    def tried(some):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                return function(make(some))
            except Exception:  # of whatever kind a refusal is
                return None

    n_rows = len(columns[0])
    found = tried(columns)
    if found is None and clean is not None and len(columns) <= _FEW_COLUMNS:
        clean = [np.resize(own, n_rows) for own in clean]
        columns = [
            own
            if tried([*clean[:place], own, *clean[place + 1 :]]) is not None
            else clean[place]
            for place, own in enumerate(columns)
        ]
        found = tried(columns)
    elif found is None and all(own.dtype.kind in "biuf" for own in columns):
        there = np.flatnonzero(~np.isnan(columns).any(axis=0))
        if len(there) and tried([own[there] for own in columns]) is not None:
            columns = [own[there] for own in columns]
            found = tried(columns)
    if found is None:
        parts = ([own[at : at + 1] for own in columns] for at in range(min(n_rows, 80)))
        fine = [at for at, part in enumerate(parts) if tried(part) is not None]
        columns = [own[fine] for own in columns]
        found = tried(columns) if fine else None
    return found, columns


def tied(part, X):
    """A mask of the rows for which equally far neighbours make the answer ambiguous."""
    part = unwrapped(part)
    found = np.zeros(len(X), dtype=bool)
    if isinstance(part, Pipeline) or hasattr(part, "steps_"):
        for _, step in getattr(part, "steps", None) or part.steps_:
            found |= tied(step, X)
            X = step.transform(X) if hasattr(step, "transform") else X
            X = X.toarray() if issparse(X) else X
        parts = [(member, None) for member in getattr(part, "members_", ())]
    elif isinstance(part, FeatureUnion):
        parts = [(inner, None) for _, inner in part.transformer_list]
    elif isinstance(part, ColumnTransformer):
        read = columns_read(part)
        parts = [(inner, read[name]) for name, inner, _ in part.transformers_]
    elif hasattr(part, "inner_"):
        parts = [(part.inner_, part.columns_)]
    elif hasattr(part, "members_"):
        columns = getattr(part, "columns_", [None] * len(part.members_))
        parts = zip(part.members_, columns, strict=True)
    else:
        return _tied_neighbors(part, X)
    for inner, columns in parts:
        if columns is not None and len(columns):
            own = X.iloc[:, columns] if hasattr(X, "iloc") else X[:, columns]
            found |= tied(inner, own)
        elif columns is None:
            found |= tied(inner, X)
    return found


def _tied_neighbors(part, X):
    found = np.zeros(len(X), dtype=bool)
    if isinstance(part, KNNImputer):
        X, points = np.asarray(X), rows_of_imputer(part)
        far = nan_euclidean_distances(
            X.astype(float), points.astype(float), missing_values=part.missing_values
        )
        absent = part.missing_values
        there, here = (~np.isnan(each) for each in (points, X))
        if not is_missing(absent):
            there, here = points != absent, absent != X
        for donors, own in zip(there.T, here.T, strict=True):
            found |= ~own & _has_tie(far[:, donors], part.n_neighbors, X)
    elif hasattr(part, "n_neighbors_") and hasattr(part, "points_"):
        points, metric = dense_array(part.points_), part.metric_
        points = points.toarray() if hasattr(points, "toarray") else points
        X = np.asarray(X)
        far = pairwise_distances(X, points, metric, **part.metric_params_)
        found = _has_tie(far, part.n_neighbors_, X)
    return found


def _has_tie(far, n_neighbors, X):
    """Whether the last of the neighbours is as far as the next, but for rounding."""
    if far.shape[1] <= n_neighbors:
        return np.zeros(len(far), dtype=bool)
    squares = np.sort(far.astype(float), axis=1) ** 2
    gap = squares[:, n_neighbors] - squares[:, n_neighbors - 1]
    size = np.nansum(np.square(X, dtype=float), axis=1) + squares[:, n_neighbors]
    return ~(gap > (1e-5 if X.dtype == np.float32 else 1e-12) * size)


def rows_of(columns, part, *, documents=False):
    """Columns as what a fitted object reads: texts, an array, or a frame by its names."""
    if documents:
        return [str(each) for each in columns[0]]
    names = getattr(part, "feature_names_in_", None)
    if names is not None and has("pandas"):
        import pandas

        frame = dict(zip(names, columns, strict=True))
        known = getattr(part, "categories_", None)
        if isinstance(known, dict):
            for number, categories in known.items():
                own = pandas.CategoricalDtype(categories)
                codes = own.categories.get_indexer_for(columns[number])
                frame[names[number]] = pandas.Categorical.from_codes(codes, dtype=own)
        return pandas.DataFrame(frame)
    if any(own.dtype.kind == "O" for own in columns):
        return np.stack([own.astype(object) for own in columns], axis=1)
    return np.stack(columns, axis=1)


def columns_of(rows):
    """The columns of rows that `rows_of` has made."""
    if isinstance(rows, list):
        return [np.array(rows, dtype=object)]
    if hasattr(rows, "iloc"):
        return [np.asarray(rows[name], dtype=_plain(rows[name])) for name in rows.columns]
    return list(rows.T)


def _plain(column):
    return column.dtype if getattr(column.dtype, "kind", "O") in "biuf" else object
