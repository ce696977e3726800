"""Transformers of transformers: of some columns each, beside each other, one by one."""

import numpy as np

from ..base import copy_attributes
from ..frames import (
    CSR,
    as_csr,
    as_numbers,
    check_names,
    check_shape,
    column,
    columns_of,
    is_named,
    is_sparse,
    n_rows,
    names_of,
    side_by_side,
    table,
)
from ..quantized import take_columns
from .base import CompactTransformer, is_identity


def form_or_raise(part):
    """The form of a member; raises TypeError with the reason where it has none."""
    from . import transformer_of

    made, reason = transformer_of(part, frames=True)
    if made is None:
        raise TypeError(reason)
    return made


def through(members, X, *, start=True):
    """Rows as transformers give them, one after the other.

    If `start`, names are checked by the first that is no identity.
    """
    for member in members:
        if is_identity(member):
            continue
        X = member._start(X) if start else member._apply(X)
        start = False
    return X


def all_read_sparse(members):
    """Whether all members read sparse matrices."""
    return all(member.__sklearn_tags__().input_tags.sparse for member in members)


def _named(pattern, member, name):
    """A pattern with names in their places; it may come from a file, so no `format`."""
    parts = pattern.split("{feature_name}")
    return name.join(part.replace("{transformer_name}", member) for part in parts)


def drop_later_names(members):
    """Drop the names of features of all but the first that is no identity."""
    started = False
    for member in members:
        if started:
            _without_names(member)
        started |= not is_identity(member)


def _without_names(part):
    vars(part).pop("feature_names_in_", None)
    return part


class _Members(CompactTransformer):
    """Has `names` and `members`, and gives their results beside each other."""

    @classmethod
    def _with(cls, fitted, rows):
        """Made of rows (name, transformer, weight); names of features stay outside."""
        made = copy_attributes(fitted, cls(), "n_features_in_", "feature_names_in_")
        made.names = [str(name) for name, _, _ in rows]
        made.members = [form_or_raise(part) for _, part, _ in rows]
        made.weights = [None if each is None else float(each) for _, _, each in rows]
        made.verbose_feature_names_out = fitted.verbose_feature_names_out
        return made

    @classmethod
    def reason(cls, fitted):
        """Why it cannot have this form, which may be that of a member."""
        names = fitted.verbose_feature_names_out
        if callable(names):
            return "verbose_feature_names_out is a function"
        if isinstance(names, str) and not {"{", "}"}.isdisjoint(_named(names, "", "")):
            return f"verbose_feature_names_out={names!r}"
        try:
            cls.of(fitted)
        except TypeError as error:
            return str(error)
        return None

    _reads_sparse = property(lambda self: all_read_sparse(self.members))

    def _beside(self, parts, sparse):
        parts = [
            _weighted(part, weight)
            for part, weight in zip(parts, self.weights, strict=True)
        ]
        if not sparse:
            parts = [part.toarray() if is_sparse(part) else part for part in parts]
            return parts[0] if len(parts) == 1 else np.hstack(parts)
        return side_by_side([_as_csr(part) for part in parts])

    def _named(self, found):
        """Names of what each member gives, with its own name before them."""
        verbose, pairs = self.verbose_feature_names_out, zip(self.names, found, strict=True)
        if verbose is False:
            names = [name for own in found for name in own]
            if len(set(names)) < len(names):
                raise ValueError(
                    "Output feature names are not unique. Write "
                    "verbose_feature_names_out=True."
                )
        else:
            pattern = verbose if isinstance(verbose, str) else None
            pattern = pattern or "{transformer_name}__{feature_name}"
            names = [_named(pattern, member, name) for member, own in pairs for name in own]
        return np.array(names, dtype=object)


def _are_names(columns):
    """Whether columns of a ColumnTransformer were chosen by names."""
    if isinstance(columns, slice):
        columns = (columns.start, columns.stop)
    columns = (columns,) if isinstance(columns, str) else columns
    return hasattr(columns, "__iter__") and any(isinstance(each, str) for each in columns)


def _weighted(part, weight):
    if weight is None:
        return part
    if isinstance(part, CSR):
        return CSR(part.data * weight, part.indices, part.indptr, part.shape)
    return part * weight


def _as_csr(part):
    if not is_sparse(part) and part.dtype.kind in "OUS":
        part = as_numbers(part, np.float64)
    return as_csr(part)


class CompactColumnTransformer(_Members):
    """ColumnTransformer: transformers of some columns each, beside each other.

    `columns` are the positions that each member reads, and `single` says which of them
    read one column as a vector. `widths` are the numbers of columns that they give.
    `by_name` says that columns were chosen by their names.
    """

    @classmethod
    def of(cls, fitted):
        """The form of a fitted ColumnTransformer."""
        read = fitted._transformer_to_input_indices
        weights = fitted.transformer_weights or {}
        rows = [
            (name, part, weights.get(name), columns)
            for name, part, columns in fitted.transformers_
            if not (isinstance(part, str) and part == "drop") and len(read[name])
        ]
        made = cls._with(fitted, [row[:3] for row in rows])
        made.members = [_without_names(part) for part in made.members]
        made.columns = [np.array(read[name], dtype=np.intp) for name, *_ in rows]
        made.single = [bool(np.isscalar(columns)) for *_, columns in rows]
        places = [fitted.output_indices_[name] for name, *_ in rows]
        made.widths = [place.stop - place.start for place in places]
        made.sparse_output_ = bool(fitted.sparse_output_)
        made.by_name = any(map(_are_names, fitted._columns))
        return made

    @property
    def transformers_(self):
        """Name, transformer and columns of each member."""
        return list(zip(self.names, self.members, self.columns, strict=True))

    def _start(self, X):
        own = getattr(self, "feature_names_in_", None)
        found = None if own is None else names_of(X)
        if found is None:
            check_names(self, X)
            if self.by_name:
                raise ValueError(
                    "Columns that were chosen by names are read from rows with names. Got "
                    f"{type(X).__name__} without names. Pass a frame, or a dict of columns."
                )
            return self._apply(columns_of(X, own) if is_named(X) else X)
        needed = own[sorted({at for read in self.columns for at in read.tolist()})]
        missing = set(needed).difference(found)
        if missing:
            raise ValueError(
                f"columns are missing: {missing}. Pass X with all columns of the fit."
            )
        if n_rows(X) < 1:
            check_shape(self, np.empty((0, self.n_features_in_)))
        if is_named(X) or hasattr(type(X), "iloc"):
            return self._joined(self._taken(columns_of(X, needed), own), n_rows(X))
        place = {name: at for at, name in enumerate(found)}  # of polars and pyarrow
        return self._by_places(X, np.array([place.get(name, -1) for name in own]))

    def _by_places(self, X, place):
        """Of an array or frame whose columns stand in these places."""
        parts = [
            column(X, place[at[0]]) if one else take_columns(X, place[at])
            for at, one in zip(self.columns, self.single, strict=True)
        ]
        return self._joined(parts, n_rows(X))

    def _taken(self, columns, names):
        """What each member reads of a dict of columns: a column, or a dict of some."""
        return [
            columns[names[at[0]]] if one else {names[j]: columns[names[j]] for j in at}
            for at, one in zip(self.columns, self.single, strict=True)
        ]

    def _apply(self, X):
        if isinstance(X, list | tuple):
            X = np.array(X, dtype=object)
        if isinstance(X, dict):
            return self._joined(self._taken(X, list(X)), n_rows(X))
        if len(X.shape) != 2 or X.shape[1] != self.n_features_in_:
            check_shape(self, np.asarray(X) if not is_sparse(X) else X)
        return self._by_places(X, np.arange(self.n_features_in_))

    def _joined(self, parts, rows):
        if not parts:
            return np.zeros((rows, 0))
        found = []
        for member, part in zip(self.members, parts, strict=True):
            made = member._apply(part)
            plain = isinstance(made, np.ndarray) or is_sparse(made)
            found.append(made if plain else table(made))
        return self._beside(found, self.sparse_output_)

    def places(self):
        """Where the columns stand that each member gives, by its name."""
        ends = np.cumsum([0, *self.widths]).tolist()
        return dict(zip(self.names, map(slice, ends, ends[1:]), strict=False))

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that are given."""
        names = self._names_in(input_features)
        pairs = zip(self.members, self.columns, strict=True)
        return self._named([part.get_feature_names_out(names[at]) for part, at in pairs])


class CompactFeatureUnion(_Members):
    """FeatureUnion: what several transformers give, beside each other."""

    @classmethod
    def of(cls, fitted):
        """The form of a fitted FeatureUnion."""
        weights = fitted.transformer_weights or {}
        rows = [
            (name, part, weights.get(name))
            for name, part in fitted.transformer_list
            if not (isinstance(part, str) and part == "drop")
        ]
        return cls._with(fitted, rows)

    def _start(self, X):
        if is_named(X):
            X = columns_of(X, getattr(self, "feature_names_in_", None))
        return self._all([member._start(X) for member in self.members], X)

    def _apply(self, X):
        return self._all([member._apply(X) for member in self.members], X)

    def _all(self, parts, X):
        if not parts:
            return np.zeros((n_rows(X), 0))
        parts = [
            part if isinstance(part, np.ndarray) or is_sparse(part) else table(part)
            for part in parts
        ]
        return self._beside(parts, any(map(is_sparse, parts)))

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that are given."""
        return self._named(
            [part.get_feature_names_out(input_features) for part in self.members]
        )


class CompactSteps(CompactTransformer):
    """A Pipeline of transformers, one after the other."""

    _reads_sparse = property(lambda self: all_read_sparse(self.members))

    @classmethod
    def reason(cls, fitted):
        """Why it cannot have this form, which may be that of a member."""
        try:
            cls.of(fitted)
        except TypeError as error:
            return str(error)
        return None

    @classmethod
    def of(cls, fitted):
        """The form of a fitted Pipeline whose steps are all transformers."""
        made = copy_attributes(fitted, cls(), "n_features_in_", "feature_names_in_")
        steps = [step for step in fitted.steps if step[1] not in (None, "passthrough")]
        made.names = [str(name) for name, _ in steps]
        made.members = [form_or_raise(part) for _, part in steps]
        drop_later_names(made.members)
        return made

    def _start(self, X):
        return through(self.members, X)

    def _apply(self, X):
        return through(self.members, X, start=False)

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that the last step gives."""
        for member in self.members:
            input_features = member.get_feature_names_out(input_features)
        return input_features
