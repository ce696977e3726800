"""An ONNX graph under construction: values, operators and stored parameters."""

from contextlib import contextmanager
from functools import partialmethod

import numpy as np

from sklearn_prune.persistence.export.onnx.session import names_read
from sklearn_prune.predictors import QuantizedArray, SparseWeights

# Operators TreeEnsemble give wrong answers in onnxruntime 1.21 to 1.23, which read versions
# up to 11. A graph of version 12 is an error there.
_IR_OF_TREES = 12


def parameter(graph, array, dtype):
    """An array, rounded array or sparse weights as a value of this type."""
    if isinstance(array, QuantizedArray):
        return _rounded(graph, array, dtype)
    if isinstance(array, SparseWeights):
        return _sparse_weights(graph, array, dtype)
    array = np.asarray(array)
    n_nonzero = np.count_nonzero(array) if array.dtype.kind == "f" else array.size
    if array.size >= FEW and n_nonzero < SPARSE_SHARE * array.size:
        positions = np.flatnonzero(array)
        values = np.ascontiguousarray(array).ravel()[positions]
        return scattered(graph, values, positions, array.shape, dtype)
    if array.size >= FEW and array.dtype.itemsize < dtype.itemsize:
        return graph.constant(array).cast(dtype)
    return graph.constant(array.astype(dtype))


def _rounded(graph, array, dtype):
    """Codes, and what makes single precision floats of them."""
    if array.values is not None:
        codes = graph.constant(array.codes.ravel()).cast(np.int32)
        if array.codes.shape != array.shape:
            low = graph.node("Mod", [codes, graph.constant(np.int32(16))])
            codes = graph.stack([low, codes / np.int32(16)]).ravel()[: array.size]
        shared = graph.constant(array.values.astype(np.float32))
        return shared.take(codes.cast(np.int64)).reshape(*array.shape).cast(dtype)
    found = graph.constant(array.codes).cast(np.float32)
    if array.scale is not None:
        found = found * graph.constant(array.scale)
    if array.offset is not None:
        found = found + graph.constant(array.offset)
    return found.cast(dtype)


def _sparse_weights(graph, weights, dtype):
    n_columns = weights.size // weights.shape[0]
    rows = np.repeat(np.arange(weights.shape[0]), weights.counts)
    columns = weights.columns().astype(np.int64)
    positions = rows * n_columns + columns
    found = scattered(graph, weights.values, positions, weights.shape, dtype)
    if weights.scale is not None:
        scale = weights.scale.reshape(-1, *(1,) * (len(weights.shape) - 1))
        found = found * graph.constant(scale).cast(dtype)
    return found


def scattered(graph, values, positions, shape, dtype):
    """Values at increasing positions of an array of zeros that is taken as flat."""
    from onnx import numpy_helper

    size = graph.constant(np.array([int(np.prod(shape))], dtype=np.int64))
    zero = numpy_helper.from_array(np.zeros(1, dtype))
    zeros = graph.node("ConstantOfShape", [size], dtype=dtype, ndim=1, value=zero)
    steps = np.diff(positions, prepend=0)
    small = np.min_scalar_type(int(steps.max(initial=0)))
    steps = graph.constant(steps.astype(small)).cast(np.int64)
    axis = graph.constant(np.array(0, dtype=np.int64))
    places = graph.node("CumSum", [steps, axis], dtype=np.int64)
    values = parameter(graph, values, dtype)
    full = graph.node("ScatterElements", [zeros, places, values], axis=0)
    return full.reshape(*shape)


SPARSE_SHARE = 0.5  # of non-zeros, below which only they are stored
FEW = 256  # entries from which on that is worth it
_ML = "ai.onnx.ml"


class Value:
    """What one operator gives; arithmetic on it adds operators to its graph.

    The dtype of strings is object; an input has a shape.
    """

    __array_ufunc__ = None  # so that numpy leaves ``array + value`` to the value

    def __init__(self, graph, name, dtype, ndim=2, shape=None):
        self.graph = graph
        self.name = name
        self.dtype = np.dtype(dtype)
        self.ndim = ndim
        self.shape = shape

    def _binary(self, op, other, *, swapped=False, dtype=None):
        other = self.graph.value(other, like=self)
        first, second = self.graph.promoted(self, other)
        ndim = max(first.ndim, second.ndim)
        if swapped:
            first, second = second, first
        return self.graph.node(op, [first, second], dtype=dtype or first.dtype, ndim=ndim)

    __add__ = partialmethod(_binary, "Add")
    __radd__ = partialmethod(_binary, "Add", swapped=True)
    __sub__ = partialmethod(_binary, "Sub")
    __rsub__ = partialmethod(_binary, "Sub", swapped=True)
    __mul__ = partialmethod(_binary, "Mul")
    __rmul__ = partialmethod(_binary, "Mul", swapped=True)
    __truediv__ = partialmethod(_binary, "Div")
    __rtruediv__ = partialmethod(_binary, "Div", swapped=True)
    __pow__ = partialmethod(_binary, "Pow")
    __gt__ = partialmethod(_binary, "Greater", dtype=bool)
    __ge__ = partialmethod(_binary, "GreaterOrEqual", dtype=bool)
    __lt__ = partialmethod(_binary, "Less", dtype=bool)
    __le__ = partialmethod(_binary, "LessOrEqual", dtype=bool)
    equals = partialmethod(_binary, "Equal", dtype=bool)
    maximum = partialmethod(_binary, "Max")
    minimum = partialmethod(_binary, "Min")

    def __matmul__(self, other):
        other = self.graph.value(other, like=self)
        first, second = self.graph.promoted(self, other)
        ndim = self.ndim - 1 if other.ndim == 1 else self.ndim
        return self.graph.node("MatMul", [first, second], ndim=ndim)

    def clip(self, low, high):
        """Bounded from both sides."""
        return self.maximum(low).minimum(high)

    def unary(self, op, dtype=None, **attributes):
        """An operator of one input that changes no shape."""
        return self.graph.node(op, [self], dtype=dtype, ndim=self.ndim, **attributes)

    __neg__ = partialmethod(unary, "Neg")
    abs = partialmethod(unary, "Abs")
    exp = partialmethod(unary, "Exp")
    log = partialmethod(unary, "Log")
    sqrt = partialmethod(unary, "Sqrt")
    tanh = partialmethod(unary, "Tanh")
    expit = partialmethod(unary, "Sigmoid")
    softmax = partialmethod(unary, "Softmax", axis=-1)
    is_nan = partialmethod(unary, "IsNaN", dtype=bool)

    def cast(self, dtype):
        """The same numbers in another type."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        to = self.graph.tensor_type(dtype)
        return self.graph.node("Cast", [self], dtype=dtype, ndim=self.ndim, to=to)

    def as_float(self):
        """The same numbers as floats, in the precision of the graph if they are none."""
        return self if self.dtype.kind == "f" else self.cast(self.graph.float)

    def reduce(self, op, axis, *, keepdims=False):
        """Sum, mean, product, maximum or minimum along one axis or several."""
        inputs, attributes = [self], {"keepdims": int(keepdims)}
        if op != "Sum" and self.graph.opset < 18:
            attributes["axes"] = np.atleast_1d(axis).tolist()
        else:
            inputs.append(self.graph.constant(np.atleast_1d(axis).astype(np.int64)))
        ndim = self.ndim if keepdims else self.ndim - np.size(axis)
        return self.graph.node(f"Reduce{op}", inputs, ndim=ndim, **attributes)

    sum = partialmethod(reduce, "Sum")
    max = partialmethod(reduce, "Max")

    def argmax(self, axis=1):
        """Position of the first of the largest along an axis."""
        return self.graph.node(
            "ArgMax", [self], dtype=np.int64, ndim=self.ndim - 1, axis=axis, keepdims=0
        )

    def reshape(self, *shape):
        """The same entries in another shape; 0 keeps a dimension, -1 is what is left."""
        target = self.graph.constant(np.array(shape, dtype=np.int64))
        return self.graph.node("Reshape", [self, target], ndim=len(shape))

    def ravel(self):
        """One dimension."""
        return self.reshape(-1)

    def as_column(self):
        """A vector as a matrix of one column."""
        return self.reshape(-1, 1) if self.ndim == 1 else self

    def transpose(self, *order):
        """Axes in another order."""
        return self.graph.node("Transpose", [self], ndim=self.ndim, perm=list(order))

    def take(self, positions, axis=0):
        """Entries at positions along an axis; one position leaves the axis out."""
        if not isinstance(positions, Value):
            positions = self.graph.constant(np.asarray(positions, dtype=np.int64))
        ndim = self.ndim - 1 + positions.ndim
        return self.graph.node("Gather", [self, positions], ndim=ndim, axis=axis)

    def column(self, position):
        """One column as a vector."""
        return self.take(position, axis=1)

    def __getitem__(self, part):
        """A slice of columns, or of the entries of a vector."""
        axis = min(1, self.ndim - 1)
        limits = [np.array([n], dtype=np.int64) for n in (part.start or 0, part.stop, axis)]
        limits = [self.graph.constant(limit) for limit in limits]
        return self.graph.node("Slice", [self, *limits], ndim=self.ndim)


class GraphWriter:
    """Collects operators, of the versions `opset` and `ml_opset`, and constants.

    Sums and products are computed in `float_type` where the predictor has no type of its
    own. `taken` are names that are not given again, those of the inputs.
    """

    def __init__(self, opset, ml_opset, float_type, taken=()):
        self.opset = opset
        self.ml_opset = ml_opset
        self.float = np.dtype(float_type)
        self.nodes = []
        self.initializers = {}
        self.domains = {"": opset}
        self.notes = []  # what the user should know
        self._constants = {}
        self._taken = set(taken)
        self._n_names = 0

    def fresh(self, stem):
        """A name that is not in use."""
        self._n_names += 1
        name = f"{stem}_{self._n_names}"
        return self.fresh(stem) if name in self._taken else name

    def tensor_type(self, dtype):
        """ONNX's number for a numpy type."""
        from onnx import TensorProto, helper

        if dtype.kind in "OU":
            return TensorProto.STRING
        return helper.np_dtype_to_tensor_dtype(dtype)

    def node(self, op, inputs, *, dtype=None, ndim=None, domain="", **attributes):
        """Add an operator; its only result."""
        return self.nodes_of(
            op, inputs, dtypes=[dtype], ndim=ndim, domain=domain, **attributes
        )[0]

    def nodes_of(self, op, inputs, *, dtypes, ndim=None, domain="", **attributes):
        """Add an operator; all its results. Types and dimensions are the first input's."""
        from onnx import helper

        if domain == _ML:
            self.domains[_ML] = self.ml_opset
        elif domain:
            self.domains.setdefault(domain, 1)
        names = [self.fresh(op.lower()) for _ in dtypes]
        self.nodes.append(
            helper.make_node(
                op,
                ["" if part is None else part.name for part in inputs],
                names,
                domain=domain,
                **attributes,
            )
        )
        ndim = inputs[0].ndim if ndim is None else ndim
        return [
            Value(self, name, inputs[0].dtype if dtype is None else dtype, ndim)
            for name, dtype in zip(names, dtypes, strict=True)
        ]

    def constant(self, array):
        """An array that is stored as it is; equal ones are stored once."""
        from onnx import numpy_helper

        array = np.asarray(array)
        if array.dtype.kind in "OU":
            array = np.array([str(each) for each in array.ravel()], object).reshape(
                array.shape
            )
            key = (array.shape, "str", tuple(array.ravel()))
        else:
            array = np.ascontiguousarray(array).reshape(array.shape)
            key = (array.shape, array.dtype.str, array.tobytes())
        if key not in self._constants:
            name = self.fresh("constant")
            self.initializers[name] = numpy_helper.from_array(array, name)
            self._constants[key] = Value(self, name, array.dtype, array.ndim)
        return self._constants[key]

    def value(self, other, like):
        """A number or an array as a constant in the type of a value."""
        if isinstance(other, Value):
            return other
        if isinstance(other, QuantizedArray | SparseWeights):
            return self.parameter(other, like.dtype)
        dtype = like.dtype
        wide = np.ndim(other) and np.asarray(other).dtype == np.float64
        if dtype == np.float32 and wide and self.float == np.float64:
            dtype = np.float64  # as numpy promotes
        return self.parameter(np.asarray(other), dtype)

    def promoted(self, first, second):
        """Both in the wider of their types."""
        if first.dtype == second.dtype:
            return first, second
        wider = np.promote_types(first.dtype, second.dtype)
        return first.cast(wider), second.cast(wider)

    def parameter(self, array, dtype=None):
        """Stored numbers as floats, in no more room than the array takes itself.

        Rounded arrays keep their codes; mostly zero ones their non-zeros and the steps
        from one to the next. A runtime makes floats of them once, when it loads the graph.
        """
        return parameter(self, array, self.float if dtype is None else np.dtype(dtype))

    def concat(self, values, axis=1):
        """Side by side, in the widest type."""
        if len(values) == 1:
            return values[0]
        wider = np.result_type(*[value.dtype for value in values])
        values = [value.cast(wider) for value in values]
        return self.node("Concat", values, axis=axis)

    def stack(self, values, axis=1):
        """Vectors as the columns of a matrix."""
        axes = self.constant(np.array([axis], dtype=np.int64))
        parts = [
            self.node("Unsqueeze", [value, axes], ndim=value.ndim + 1) for value in values
        ]
        return self.concat(parts, axis)

    def where(self, condition, first, second):
        """One or the other."""
        like = first if isinstance(first, Value) else second
        first, second = self.value(first, like), self.value(second, like)
        first, second = self.promoted(first, second)
        ndim = max(condition.ndim, first.ndim, second.ndim)
        return self.node("Where", [condition, first, second], dtype=first.dtype, ndim=ndim)

    def filled(self, rows, fill):
        """A vector with one entry for each of the rows: a number."""
        from onnx import numpy_helper

        n_rows = self.node("Shape", [rows.first], dtype=np.int64, ndim=1, start=0, end=1)
        value = numpy_helper.from_array(np.array([fill]))
        return self.node(
            "ConstantOfShape", [n_rows], dtype=np.asarray(fill).dtype, ndim=1, value=value
        )

    @contextmanager
    def inside(self):
        """Collect the operators of the body of a loop; yields their list."""
        outside, self.nodes = self.nodes, []
        try:
            yield self.nodes
        finally:
            self.nodes = outside

    def model(self, inputs, outputs, *, first=0, name="part"):
        """The operators from number `first` on as a model.

        `inputs` are values, `outputs` pairs of a name and a value.
        """
        from onnx import helper

        nodes, zipped = list(self.nodes[first:]), {}
        for node in nodes:
            if node.op_type == "ZipMap":
                zipped[node.output[0]] = node
        results = []
        for label, value in outputs:
            if value.name in zipped:
                zipped[value.name].output[:] = [label]
                results.append(_dictionaries(label, zipped[value.name]))
                continue
            nodes.append(helper.make_node("Identity", [value.name], [label]))
            kind = self.tensor_type(value.dtype)
            shape = [None] * value.ndim
            results.append(helper.make_tensor_value_info(label, kind, shape))
        infos = [
            helper.make_tensor_value_info(
                value.name,
                self.tensor_type(value.dtype),
                [None] * value.ndim if value.shape is None else value.shape,
            )
            for value in inputs
        ]
        used = {name for node in nodes for name in names_read(node)}
        constants = [tensor for key, tensor in self.initializers.items() if key in used]
        made = helper.make_graph(nodes, name, infos, results, constants)
        opsets = [helper.make_opsetid(domain, v) for domain, v in self.domains.items()]
        ir_version = helper.find_min_ir_version_for(opsets, ignore_unknown=True)
        if any(node.op_type == "TreeEnsemble" for node in nodes):
            ir_version = max(ir_version, _IR_OF_TREES)
        return helper.make_model(
            made,
            opset_imports=opsets,
            producer_name="sklearn-prune",
            ir_version=ir_version,
        )


def _dictionaries(label, node):
    """What says that a result is a sequence of dictionaries."""
    from onnx import TensorProto, helper

    ints = any(part.name == "classlabels_int64s" for part in node.attribute)
    key = TensorProto.INT64 if ints else TensorProto.STRING
    number = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    mapping = helper.make_map_type_proto(key, number)
    return helper.make_value_info(label, helper.make_sequence_type_proto(mapping))
