"""Encoders of categories as ONNX operators: a table of codes for each column.

In a graph the text "nan" is a missing text, and "None" is None, as Python writes them.
"""

import warnings
from contextlib import suppress
from copy import copy

import numpy as np
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from sklearn_prune.persistence.export.onnx.rows import Rows

_FEW = 512  # categories up to which a table of what they are encoded as is stored


def text_of(category):
    """The text that stands for a category in a graph."""
    return str(category)


def is_text(value, text):
    """A mask of the entries that are a text, or the texts for a missing value."""
    keys = [text_of(text)]
    if type(text).__name__ == "NAType":  # pandas takes all of them for missing
        keys += ["nan", "None"]
    found = value.graph.node(
        "LabelEncoder",
        [value],
        dtype=np.int64,
        domain="ai.onnx.ml",
        keys_strings=keys,
        values_int64s=[1] * len(keys),
        default_int64=0,
    )
    return found.cast(bool)


def _encoded(step, rows):
    """What an encoder gives, column by column."""
    graph, width = rows.first.graph, len(step.categories_)
    parts = []
    for number, categories in enumerate(step.categories_):
        own = rows.values[number] if len(rows.values) == width else None
        own = rows.first.take([number], axis=1) if own is None else own
        categories = np.asarray(categories)
        codes = _codes(graph, own, categories).ravel()
        table = _table(step, number)
        parts.append(_looked_up(graph, codes, table))
    return Rows([graph.concat(parts)])


def _widths(step):
    """How many columns each column is encoded in."""
    if not isinstance(step, OneHotEncoder):
        several = getattr(step, "target_type_", None) == "multiclass"
        return [len(step.classes_) if several else 1] * len(step.categories_)
    dropped = (
        step.drop_idx_ if step.drop_idx_ is not None else [None] * len(step.categories_)
    )
    rare = getattr(step, "infrequent_categories_", None) or [None] * len(step.categories_)
    return [
        len(own) - (drop is not None) - (0 if few is None else len(few) - 1)
        for own, drop, few in zip(step.categories_, dropped, rare, strict=True)
    ]


def _codes(graph, value, categories):
    """Positions of the entries of a column among categories; their number for others."""
    known = categories.tolist()
    texts = [isinstance(each, str) for each in known]
    if value.dtype.kind in "OU":
        if not any(texts) and any(each is not None and each == each for each in known):
            raise TypeError(
                "A column of categories must have the type that it had in fit. Got texts "
                f"for the categories {known[:3]}. Pass rows with numbers."
            )
        keys = [text_of(each) for each in known]
        twice = next((key for key in keys if keys.count(key) > 1), None) if texts else None
        if twice is not None:
            raise TypeError(
                f"The text {twice!r} stands for a missing value in a graph. Got a category "
                "of that name beside missing values. Rename the category."
            )
        return graph.node(
            "LabelEncoder",
            [value],
            dtype=np.int64,
            domain="ai.onnx.ml",
            keys_strings=keys,
            values_int64s=list(range(len(keys))),
            default_int64=len(keys),
        )
    if any(texts):
        raise TypeError(
            "A column of categories must have the type that it had in fit. Got numbers for "
            f"the categories {known[:3]}. Pass rows with texts."
        )
    exact = value.dtype.kind in "iub" and all(
        isinstance(each, bool | int) for each in known
    )
    dtype = np.int64 if exact else np.float64
    missing = [place for place, each in enumerate(known) if each is None or each != each]
    keys = np.array([0 if n in missing else each for n, each in enumerate(known)], dtype)
    value = value.cast(dtype)
    same = value.equals(keys[None, :])
    if missing:
        same = graph.node("And", [same, graph.constant(_mask(known, missing))], dtype=bool)
    places = np.arange(1, len(known) + 1, dtype=np.int64)[None, :]
    found = (same.cast(np.int64) * places).max(1, keepdims=True) - np.int64(1)
    found = graph.where(found < np.int64(0), np.int64(len(known)), found)
    if missing and dtype is np.float64:
        found = graph.where(value.is_nan(), np.int64(missing[-1]), found)
    return found


def _mask(known, missing):
    return ~np.isin(np.arange(len(known)), missing)[None, :]


def _table(step, number):
    """What each category of a column, and any other, is encoded as, by the encoder itself.

    Without a last row if it refuses others.
    """
    own = step.categories_[number].tolist()
    columns = [[each[0]] * len(own) for each in step.categories_]
    columns[number] = own
    found = [_columns_of(step, columns, number)]
    columns = [[each[0]] for each in step.categories_]
    texts = any(isinstance(each, str) for each in own)
    numbers = [each for each in own if isinstance(each, int | float) and each == each]
    other = "".join(map(str, own)) + " " if texts else max(map(abs, numbers), default=0) + 1
    columns[number] = [other]
    with suppress(ValueError):
        found.append(_columns_of(step, columns, number))
    return np.vstack(found)


def _columns_of(step, columns, number):
    """The columns that one column of these rows is encoded in."""
    rows = np.empty((len(columns[0]), len(columns)), dtype=object)
    for place, values in enumerate(columns):
        rows[:, place] = values
    kinds = {np.asarray(each).dtype.kind for each in step.categories_}
    if kinds <= set("biuf"):
        rows = rows.astype(np.result_type(*step.categories_))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = _plain(step).transform(rows)
    found = np.asarray(found.toarray() if hasattr(found, "toarray") else found)
    widths = _widths(step)
    first = int(np.sum(widths[:number]))
    return found[:, first : first + widths[number]].astype(np.float64)


def _plain(step):
    """The encoder without names of columns, and with arrays as its output."""
    plain = copy(step)
    vars(plain).pop("feature_names_in_", None)
    return plain.set_output(transform="default")


def _looked_up(graph, codes, table):
    """Rows of a table; a code behind its end is an error of the runtime."""
    if len(table) <= _FEW or ((table != 0) & (table != 1)).any():
        return graph.constant(table.astype(graph.float)).take(codes)
    column = np.where(table.any(axis=1), table.argmax(axis=1), -1)
    place = graph.constant(column.astype(np.int64)).take(codes).as_column()
    return place.equals(np.arange(table.shape[1])[None, :]).cast(graph.float)


ENCODERS = dict.fromkeys((OneHotEncoder, OrdinalEncoder, TargetEncoder), _encoded)
