"""What skl2onnx makes of a fitted object, put into a graph under construction."""

import warnings

import numpy as np

from sklearn_prune._lazy import has
from sklearn_prune.persistence.export import (
    dense,
    differing,
    reads_texts,
    tied,
    witness_rows,
)
from sklearn_prune.persistence.export.onnx.graph import Value
from sklearn_prune.persistence.export.onnx.session import Session, as_tensor

_REMOVED_IN_5 = {"TreeEnsembleClassifier", "TreeEnsembleRegressor"}
_ML = "ai.onnx.ml"
STEP = 2e-6  # largest difference of what a step gives, relative to its row above 1
ROUNDED = 1e-3  # the same in single precision
EDGE = 1e-3  # share by which numbers are moved off edges that single precision moves
TENSOR_TYPES = {
    "FloatTensorType": np.float32,
    "DoubleTensorType": np.float64,
    "Int64TensorType": np.int64,
    "Int32TensorType": np.int32,
    "BooleanTensorType": np.bool_,
    "StringTensorType": object,
}


def inlined(graph, what, model, rows, options=None, *, methods=("transform",)):
    """A list of what methods of a fitted scikit-learn object give, by skl2onnx.

    `what` names the object in errors; `options` are for skl2onnx.
    """
    values = _as_expected(graph, model, rows)
    names = _names(model, rows, values)
    doubles = any(value.dtype == np.float64 for value in values)
    found, wrong = _tried(graph, what, model, names, values, options, methods)
    if wrong and doubles:  # some converters know single precision only
        narrow = [
            value.cast(np.float32) if value.dtype == np.float64 else value
            for value in values
        ]
        other = _tried(graph, what, model, names, narrow, options, methods)
        if not other[1]:
            values, (found, wrong) = narrow, other
    if isinstance(wrong, TypeError):
        raise wrong
    if wrong:
        raise TypeError(
            f"to_onnx writes graphs that answer as the model does. Got {what}, a "
            f"{type(model).__name__}, whose graph by skl2onnx {wrong} Use save() and "
            "load() instead."
        )
    if doubles and _rounds(found):
        graph.notes.append(
            f"{what}, a {type(model).__name__}, rounds its inputs to single precision: the "
            "converter of skl2onnx has no other. Scale them before it, or use save() and "
            "load(), where their eighth digit matters."
        )
    return put(graph, found, dict(zip(names, values, strict=True)), what)


def _tried(graph, what, model, names, values, options, methods):
    """The graph that skl2onnx makes, and what is wrong with it, or None."""
    try:
        found = _converted(graph, what, model, names, values, options)
    except TypeError as error:
        return None, error
    rounds = _rounds(found) and any(value.dtype.kind == "f" for value in values)
    trial = Trial(model, values, methods, jitter=EDGE if rounds else 0.0)
    wrong = trial.fault_of(found, ROUNDED if rounds else STEP)
    return found, wrong and (wrong if wrong.endswith(".") else f"{wrong}.")


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
            found = skl2onnx.to_onnx(
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
    from onnx import inliner

    return inliner.inline_local_functions(found) if found.functions else found


class Trial:
    """Rows made of a fitted object, on which a graph has to answer as the object does."""

    def __init__(self, model, values, methods, *, jitter=0.0):
        kinds = [value.dtype for value in values]
        if len(kinds) == 1 and not reads_texts(model):
            kinds = kinds * getattr(model, "n_features_in_", 1)
        self.model = model
        self.answers = witness_rows(
            lambda X: [dense(getattr(model, method)(X)) for method in methods],
            model,
            kinds,
            documents=reads_texts(model),
            jitter=jitter,
        )

    def fault_of(self, found, tolerance=STEP):
        """What is wrong with a graph in onnxruntime, where that is installed, or None."""
        if not has("onnxruntime"):
            return None
        if not self.answers:
            return "was not tried, since it refuses all rows that were made of it"
        try:
            session = Session(found)
            for X, wanted in self.answers:
                got = list(session.answers(X).values())
                if len(wanted) == 1 and len(got) > 1 and got[0].ndim == 2:
                    got = [np.concatenate(got, axis=1)]
                fault = _difference(self.model, X, wanted, got, tolerance)
                if fault:
                    return fault
        except RuntimeError as error:
            return f"does not run in onnxruntime: {error}"
        return None


def _difference(model, X, wanted, got, tolerance):
    for name, (own, answer) in enumerate(zip(wanted, got, strict=False)):
        if answer.size != own.size:
            return f"gives the shape {answer.shape} where {own.shape} is right"
        if answer.dtype.kind in "OU":
            kind, ndim = answer.dtype, own.ndim
            own, answer = (as_tensor(each, kind, ndim) for each in (own, answer))
        wrong = differing({name: own}, {name: answer}, tolerance)
        if wrong.any():
            wrong &= ~tied(model, X)
        if wrong.any():
            row = X.iloc[[wrong.argmax()]].to_numpy() if hasattr(X, "iloc") else X
            row = repr(row[0] if hasattr(X, "iloc") else row[wrong.argmax()])
            row = row if len(row) <= 90 else f"{row[:87]}..."
            return f"answers {wrong.sum()} of {len(own)} rows otherwise, such as {row}"
    return None


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
    """The inputs as values; several numbers in one array."""
    kinds = {value.dtype.kind for value in rows.values}
    if len(rows.values) == 1 or not kinds <= set("biuf"):
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


def put(graph, found, inputs, what):
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
