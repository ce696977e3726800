"""What skl2onnx makes of a fitted object, put into a graph under construction."""

import warnings
from contextlib import suppress

import numpy as np
from scipy.sparse import issparse

from sklearn_prune._lazy import has
from sklearn_prune.persistence.export.onnx.graph import Value

_REMOVED_IN_5 = {"TreeEnsembleClassifier", "TreeEnsembleRegressor"}
_ML = "ai.onnx.ml"
_N_TRIED = 8  # rows
TENSOR_TYPES = {
    "FloatTensorType": np.float32,
    "DoubleTensorType": np.float64,
    "Int64TensorType": np.int64,
    "Int32TensorType": np.int32,
    "BooleanTensorType": np.bool_,
    "StringTensorType": object,
}


def inlined(graph, what, model, rows, options=None, *, method="transform"):
    """A list of what a method of a fitted scikit-learn object gives, by skl2onnx.

    `what` names the object in errors; `options` are for skl2onnx.
    """
    values = _as_expected(graph, model, rows)
    names = _names(model, rows, values)
    doubles = any(value.dtype == np.float64 for value in values)
    found, wrong = _tried(graph, what, model, names, values, options, method)
    if wrong and doubles:  # some converters know single precision only
        values = [
            value.cast(np.float32) if value.dtype == np.float64 else value
            for value in values
        ]
        found, wrong = _tried(graph, what, model, names, values, options, method)
    if isinstance(wrong, TypeError):
        raise wrong
    if wrong:
        raise TypeError(
            f"to_onnx writes what runs in onnxruntime. Got {what}, a "
            f"{type(model).__name__}, whose graph by skl2onnx {wrong}. Use save() and "
            "load() instead."
        )
    if doubles and _rounds(found):
        graph.notes.append(
            f"{what}, a {type(model).__name__}, rounds its inputs to single precision: the "
            "converter of skl2onnx has no other. Scale them before it, or use save() and "
            "load(), where their eighth digit matters."
        )
    return _put(graph, found, dict(zip(names, values, strict=True)), what)


def _tried(graph, what, model, names, values, options, method):
    """The graph that skl2onnx makes, and what is wrong with it, or None."""
    try:
        found = _converted(graph, what, model, names, values, options)
    except TypeError as error:
        return None, error
    return found, Trial(model, names, values, method).fault_of(found)


def _converted(graph, what, model, names, values, options):
    """The graph that skl2onnx makes."""
    import skl2onnx

    types = [
        (name, _type_of(value, _width(model, values)))
        for name, value in zip(names, values, strict=True)
    ]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return skl2onnx.to_onnx(
                model,
                initial_types=types,
                target_opset={"": graph.opset, _ML: min(graph.ml_opset, 3)},
                options=options,
            )
    except Exception as error:  # its converters raise whatever they like
        raise TypeError(
            f"to_onnx writes what skl2onnx knows. Got {what}, a {type(model).__name__}: "
            f"{_first_line(error)} Write a transformer or model that it knows, or use "
            "save() and load()."
        ) from error


class Trial:
    """A few rows of numbers on which a graph has to answer as the object does.

    If there are texts among the inputs, the graph is opened only.
    """

    def __init__(self, model, names, values, method):
        width = _width(model, values)
        self._wanted = None
        if width is None or any(value.dtype.kind not in "biuf" for value in values):
            return
        rows = np.random.default_rng(0).normal(size=(_N_TRIED, width * len(values)))
        parts = np.split(rows, len(values), axis=1)
        parts = [
            part.astype(value.dtype) for part, value in zip(parts, values, strict=True)
        ]
        self._inputs = dict(zip(names, parts, strict=True))
        with suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of rows that the object refuses, nothing
            self._wanted = _dense(
                getattr(model, method)(_as_fitted(model, np.hstack(parts)))
            )

    def fault_of(self, found):
        """What is wrong with a graph in onnxruntime, where that is installed, or None."""
        if not has("onnxruntime"):
            return None
        import onnxruntime

        quiet = onnxruntime.SessionOptions()
        quiet.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(
                found.SerializeToString(), quiet, providers=["CPUExecutionProvider"]
            )
            if self._wanted is None:
                return None
            answer = _dense(session.run(None, self._inputs)[0])
        except Exception:  # it has a class of errors for each reason
            return "does not"
        wanted = self._wanted
        if min(answer.ndim, wanted.ndim) < 2:
            answer, wanted = answer.ravel(), wanted.ravel()
        if answer.shape != wanted.shape:
            return f"gives the shape {answer.shape} where {wanted.shape} is right"
        if answer.dtype.kind not in "biuf" or wanted.dtype.kind not in "biuf":
            return None
        close = np.isclose(answer, wanted, rtol=1e-3, atol=1e-3, equal_nan=True)
        if close.reshape(_N_TRIED, -1).all(axis=1).mean() < 0.5:
            return "gives other numbers"
        return None


def _dense(answer):
    return np.asarray(answer.toarray() if issparse(answer) else answer)


def _as_fitted(model, rows):
    """Rows as a frame, where the object was fitted on one."""
    names = getattr(model, "feature_names_in_", None)
    if names is None or not has("pandas"):
        return rows
    import pandas

    return pandas.DataFrame(rows, columns=names)


def _rounds(found):
    """Whether a graph with inputs of double precision computes in single."""
    from onnx import TensorProto

    return any(
        node.op_type == "Cast" and part.name == "to" and part.i == TensorProto.FLOAT
        for node in found.graph.node
        for part in node.attribute
    ) or any(
        part.type.tensor_type.elem_type == TensorProto.FLOAT for part in found.graph.input
    )


def _as_expected(graph, model, rows):
    """The inputs as values; several numbers in one array unless columns have names."""
    kinds = {value.dtype.kind for value in rows.values}
    if len(rows.values) == 1 or not kinds <= set("biuf"):
        return rows.values
    if type(model).__name__ == "ColumnTransformer" and rows.names:
        return rows.values
    return [rows.array()]


def _names(model, rows, values):
    if rows.names and len(values) == len(rows.values):
        return list(rows.names)
    return ["X"] if len(values) == 1 else [f"X{n}" for n in range(len(values))]


def _width(model, values):
    return getattr(model, "n_features_in_", None) if len(values) == 1 else 1


def _type_of(value, width):
    from skl2onnx.common import data_types as types

    kind = object if value.dtype.kind in "OU" else value.dtype
    fits = (name for name, dtype in TENSOR_TYPES.items() if kind == dtype)
    return getattr(types, next(fits, "Int64TensorType"))([None, width])


def _put(graph, found, inputs, what):
    """Add the operators of another graph under names of their own."""
    from onnx import TensorProto, helper

    prefix = graph.fresh("inside") + "_"
    renamed = {name: value.name for name, value in inputs.items()}
    if graph.ml_opset >= 5:
        removed = {node.op_type for node in found.graph.node} & _REMOVED_IN_5
        if removed:
            raise NeedsOlderOperators(what)
    for domain in found.opset_import:
        if domain.domain == _ML:
            graph.domains[_ML] = graph.ml_opset
        elif domain.domain:
            graph.domains[domain.domain] = domain.version
    _rename(found.graph, prefix, renamed)
    for tensor in found.graph.initializer:
        graph.initializers[tensor.name] = tensor
    graph.nodes.extend(found.graph.node)
    values = []
    for info in found.graph.output:
        tensor = info.type.tensor_type
        strings = tensor.elem_type == TensorProto.STRING
        dtype = object if strings else helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        values.append(Value(graph, info.name, dtype, max(1, len(tensor.shape.dim))))
    return values


class NeedsOlderOperators(Exception):
    """A part of the graph stands on operators that the newest version has removed."""


def _rename(graph, prefix, renamed):
    """Give all names of a graph, and of graphs within it, a prefix."""

    def new(name):
        return name and renamed.get(name, prefix + name)

    for tensor in graph.initializer:
        tensor.name = new(tensor.name)
    for part in (*graph.input, *graph.output, *graph.value_info):
        part.name = new(part.name)
    for node in graph.node:
        node.name = prefix + node.name
        node.input[:] = [new(name) for name in node.input]
        node.output[:] = [new(name) for name in node.output]
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    _rename(inner, prefix, renamed)


def _first_line(error):
    text = str(error).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    line = line if len(line) <= 160 else f"{line[:157]}..."
    return line if line.endswith(".") else f"{line}."
