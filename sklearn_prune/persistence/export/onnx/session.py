"""ONNX graphs in onnxruntime: rows go in as a user would pass them."""

from copy import deepcopy

import numpy as np

from sklearn_prune._lazy import import_or_raise
from sklearn_prune.persistence.export import is_missing

STARTS = "rows of the last step"  # name of the node with what a pipeline predicts from

ROUNDED = "computes in single precision"  # what the metadata of such graphs say


class Session:
    """A graph that is ready to run; any error of onnxruntime is raised as RuntimeError."""

    kind, is_exact, reasons = "ONNX graph", False, ()

    def __init__(self, model):
        onnxruntime = import_or_raise("onnxruntime", "check_export", extra="onnx")
        quiet = onnxruntime.SessionOptions()
        quiet.log_severity_level = 4
        quiet.intra_op_num_threads = 1
        self.model = model
        self._session = _asked(
            onnxruntime.InferenceSession,
            model.SerializeToString(),
            quiet,
            providers=["CPUExecutionProvider"],
        )

    def answers(self, X):
        """The results for rows, by name; X is an array, a frame, or a list of texts."""
        found = _asked(self._session.run, None, feeds(self.model, X))
        return dict(zip(self.outputs, map(_as_array, found), strict=True))

    def close(self):
        """Nothing is open."""

    def as_read(self, X):
        """The rows as they are."""
        return X

    @property
    def outputs(self):
        """Names of the results."""
        return [output.name for output in self.model.graph.output]

    @property
    def dtypes(self):
        """Types of the inputs, object for texts."""
        return [dtype for _, dtype, _ in inputs_of(self.model)]

    @property
    def shape(self):
        """The shape of one row of the first input; 0 is what is not known."""
        dims = self.model.graph.input[0].type.tensor_type.shape.dim
        return tuple(dim.dim_value for dim in dims[1:])

    @property
    def rounded(self):
        """Whether a part of the graph computes in single precision."""
        return any(part.key == ROUNDED for part in self.model.metadata_props)

    def last_step(self):
        """The graph of the predictor behind the steps of a pipeline, or None."""
        from onnx import helper

        model = deepcopy(self.model)
        graph = model.graph
        start = next((node for node in graph.node if node.name == STARTS), None)
        if start is None:
            return None
        nodes, wanted = [], {output.name for output in graph.output}
        for node in reversed(graph.node):
            if wanted & set(node.output) and node.name != STARTS:
                nodes.insert(0, node)
                wanted |= set(names_read(node))
        del graph.node[:], graph.input[:]
        graph.node.extend(nodes)
        kind = int(start.doc_string)
        graph.input.append(helper.make_tensor_value_info(start.output[0], kind, [None] * 2))
        kept = [tensor for tensor in graph.initializer if tensor.name in wanted]
        del graph.initializer[:]
        graph.initializer.extend(kept)
        return Session(model)


def inputs_of(model):
    """Name, type and number of dimensions of each input of a graph."""
    from onnx import TensorProto, helper

    for info in model.graph.input:
        tensor = info.type.tensor_type
        is_text = tensor.elem_type == TensorProto.STRING
        dtype = object if is_text else helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        yield info.name, np.dtype(dtype), len(tensor.shape.dim)


def feeds(model, X):
    """Rows as the inputs of a graph."""
    inputs = list(inputs_of(model))
    if len(inputs) == 1:
        name, dtype, ndim = inputs[0]
        X = X.to_numpy() if hasattr(X, "to_numpy") else X
        return {name: as_tensor(X, dtype, ndim)}
    if not hasattr(X, "columns"):
        X = np.asarray(X)
        columns = [X[:, number] for number in range(len(inputs))]
    else:
        columns = [X[name] for name in X.columns]
    return {
        name: as_tensor(column, dtype, ndim)
        for (name, dtype, ndim), column in zip(inputs, columns, strict=True)
    }


def names_read(node):
    """Names that a node, and graphs within it, read."""
    yield from node.input
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            for part in inner.node:
                yield from names_read(part)


def _asked(function, *args, **options):
    try:
        return function(*args, **options)
    except Exception as error:  # onnxruntime has a class of errors for each reason
        raise RuntimeError(reason_of(error)) from error


def reason_of(error):
    """The first line of an error of onnxruntime, without its places in the source."""
    text = str(error).strip() or type(error).__name__
    line = text.splitlines()[0]
    for mark in ("Failed to ", "Status Message: ", "Name:"):
        if mark in line:
            line = line[line.index(mark) :].removeprefix("Status Message: ")
            break
    line = line if len(line) <= 200 else f"{line[:197]}..."
    return line if line.endswith(".") else f"{line}."


def as_tensor(values, dtype, ndim):
    """Values as an input of this type; a missing text is a text."""
    values = np.asarray(values)
    if dtype.kind in "OU":
        texts = [each if isinstance(each, str) else _text(each) for each in values.ravel()]
        values = np.array(texts, dtype=object).reshape(values.shape)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            values = values.astype(dtype)
    if values.ndim == 1 and ndim == 2:
        return values[:, None]
    return values.ravel() if ndim == 1 else values


def _text(value):
    """The text that stands for a value that is none: "None", "nan", or its digits."""
    return "nan" if value is not None and is_missing(value) else str(value)


def _as_array(result):
    if isinstance(result, list) and result and isinstance(result[0], dict):
        return np.array([list(own.values()) for own in result])
    return np.asarray(result)
