"""Rows inside a graph, with the answers of the model."""

import json

import numpy as np

from sklearn_prune.persistence._witness import is_sure, witness_of
from sklearn_prune.persistence.export.compare import expected
from sklearn_prune.persistence.export.onnx.session import ROUNDED, feeds, inputs_of
from sklearn_prune.persistence.export.witnesses import as_whole, rows_of

KEY = "witness_rows"
_N_ROWS, _CELLS = 16, 2048


def witness_json(compact, graph):
    """Some rows as the graph reads them, and the answers of the model, as JSON.

    None where the model accepts no rows, and where the graph computes in single precision,
    so that answers near thresholds may differ.
    """
    found = witness_of(compact)
    if found is None or any(part.key == ROUNDED for part in graph.metadata_props):
        return None
    columns = found["columns"]
    columns = list(columns.T) if isinstance(columns, np.ndarray) else columns
    n_rows = min(_N_ROWS, max(2, _CELLS // len(columns)), len(columns[0]))
    places = np.linspace(0, len(columns[0]) - 1, n_rows).astype(int)
    kinds = [dtype for _, dtype, _ in inputs_of(graph)]
    kinds = kinds * len(columns) if len(kinds) == 1 else kinds
    columns = [_typed(own[places], kind) for own, kind in zip(columns, kinds, strict=True)]
    if found["shape"]:
        X = np.stack(columns, axis=1).reshape(-1, *found["shape"])
    else:
        X = rows_of(columns, compact, documents=found["texts"])
    names = [output.name for output in graph.graph.output]
    answers = expected(compact, X, names)
    inputs, fine = feeds(graph, X), np.ones(n_rows, dtype=bool)
    for name, own in answers.items():
        if name not in ("label", "variable"):
            fine &= is_sure(own)
    for own in (*inputs.values(), *answers.values()):
        if own.dtype.kind == "f":  # JSON has no infinite numbers
            fine &= ~np.isinf(own).reshape(n_rows, -1).any(axis=1)
    if not fine.any():
        return None
    content = {
        "inputs": {
            name: {"type": _type_of(own), "values": _listed(own[fine])}
            for name, own in inputs.items()
        },
        "outputs": {name: _listed(own[fine]) for name, own in answers.items()},
    }
    return json.dumps(content, allow_nan=False, separators=(",", ":"))


def _typed(column, kind):
    if kind.kind == "O" or column.dtype.kind == "O":
        return column
    if kind.kind in "iu":
        return as_whole(np.rint(column), kind)
    return column.astype(kind)


def _type_of(values):
    return "object" if values.dtype.kind == "O" else values.dtype.name


def _listed(values):
    """Nested lists; None is a missing number."""
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), None, values.astype(object))
    return values.tolist()
