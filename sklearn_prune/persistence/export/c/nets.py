"""Nets in C: a loop for each layer, weights in the form in which they are stored."""

from math import prod

import numpy as np

from sklearn_prune.persistence.export.c.places import (
    added,
    convolved_places,
    pooled,
    pooled_places,
)
from sklearn_prune.persistence.export.c.steps import place_of
from sklearn_prune.persistence.export.c.writer import Writer, each
from sklearn_prune.predictors import (
    SELU_ALPHA,
    SELU_SCALE,
    Add,
    Convolution,
    Dense,
    Flatten,
    Layer,
    Pool,
    QuantizedArray,
    Reshape,
    Scale,
    SparseWeights,
    dense,
)

_SOFTPLUS = """
/* log(1 + exp(z)) */
static {real} softplus({real} z)
{{
    return z > 0 ? z + log1p{f}(exp{f}(-z)) : log1p{f}(exp{f}(z));
}}
"""
_ELU = """
static {real} elu({real} z, {real} alpha, {real} width)
{{
    return z > 0 ? z : alpha * expm1{f}(z / width);
}}
"""
_HALF = """
/* a half float, of which the exponents come from a table */
static float half(uint16_t code)
{
    const uint32_t exponent = (code >> 10) & 31u, digits = code & 1023u;
    const float v = (float)(exponent ? digits + 1024u : digits) * power[exponent];
    return code >> 15 ? -v : v;
}
"""
_EXPIT = """
static {real} sigmoid({real} z)
{{
    return 1 / (1 + exp{f}(-z));
}}
"""


_KINDS = (Dense, Convolution, Scale, Pool, Add, Flatten, Reshape, Layer)
_NAMES = "dense layers, convolutions, pools, factors and sums"


class _Net(Writer):
    def prepare(self):
        compact = self.compact
        dtype = np.dtype(compact._dtype)
        self.reads = self.score = self.program.real(dtype)
        for layer in compact.layers_:
            if type(layer) not in _KINDS:
                kind = type(layer).__name__
                self.refuse(f"a layer of the kind {kind}, but {_NAMES}")

    def prepared(self, steps, rows):
        compact = self.compact
        shape = (rows.width,) if compact.input_shape_ is None else compact.input_shape_
        if compact.columns_ is not None:  # along the first axis of a row
            mask = np.unpackbits(compact.columns_, count=shape[0]).view(bool)
            size = rows.width // shape[0]
            kept = np.flatnonzero(np.repeat(mask, size))
            rows, shape = rows.take(kept), (int(mask.sum()), *shape[1:])
        self.shapes = [tuple(map(int, shape))]
        for layer in compact.layers_:
            self.shapes.append(self._shape(layer, self.shapes[layer.inputs[0]]))
        self.n_raw = prod(self.shapes[-1])
        return rows

    def _shape(self, layer, shape):
        """Shape of the result of a layer for one row."""
        settings = layer.settings or {}
        if isinstance(layer, Dense):
            if shape != tuple(layer.weights.shape[1:]):
                self.refuse("layers that do not fit", "Save the model again.")
            return tuple(layer.weights.shape[:1])
        if isinstance(layer, Convolution):
            n_out, _, *kernel = layer.weights.shape
            return (n_out, *convolved_places(shape, kernel, settings))
        if isinstance(layer, Pool):
            return (shape[0], *pooled_places(shape, settings))
        if isinstance(layer, Flatten):
            return (prod(shape),)
        if isinstance(layer, Reshape):
            return np.empty(shape, bool).reshape(settings["shape"]).shape
        return shape

    def write(self, name):
        program, real, layers = self.program, self.reads, self.compact.layers_
        self.f = "f" if real == "float" else ""
        root, last_use = {0: 0}, {}  # the layer whose array a result stands in
        for position, layer in enumerate(layers, start=1):
            sources = [root[source] for source in layer.inputs]
            root[position] = position
            if self._is_view(layer) and position < len(layers):
                root[position] = sources[0]
            last_use.update(dict.fromkeys(sources, position))
        place, free, sizes, lines = {0: "x"}, [], {}, []
        for position, layer in enumerate(layers, start=1):
            is_read = position in last_use or position == len(layers)
            if root[position] != position or not is_read:
                continue
            width = prod(self.shapes[position])
            if position == len(layers):
                goal = "out"
            else:
                goal = free.pop() if free else f"z{len(sizes)}"
                sizes[goal] = max(sizes.get(goal, 1), width)
            sources = [root[source] for source in layer.inputs]
            lines += self._layer(layer, position, [place[at] for at in sources], goal)
            place[position] = goal
            for at in {*sources, position}:
                done = last_use.get(at, 0) <= position
                if done and place[at] not in ("x", "out"):
                    free.append(place.pop(at))
        head = [f"{real} {own}[{size}];" for own, size in sizes.items()]
        program.function(
            f"static void {name}(const {real} *x, {real} *out)", [*head, *lines]
        )

    @staticmethod
    def _is_view(layer):
        return isinstance(layer, Flatten | Reshape) and layer.activation == "identity"

    def _layer(self, layer, position, sources, goal):
        """Statements of one layer."""
        shape = self.shapes[layer.inputs[0]]
        reads = []
        for number, source in enumerate(sources):
            columns = self.columns if source == "x" else None
            at = place_of(self.program, f"input_{position}_{number}", columns)
            reads.append(lambda i, source=source, at=at: f"{source}[{at(i)}]")
        if isinstance(layer, Dense):
            lines = self._dense(layer, position, reads[0]("i"), goal, shape[0])
        elif isinstance(layer, Convolution):
            lines = self._convolution(layer, position, reads[0], goal, shape)
        elif isinstance(layer, Pool):
            self.program.needs_math = True
            places = self.shapes[position][1:]
            lines = pooled(layer.settings, shape, places, reads[0], goal, self.reads)
        else:
            value, unit = " + ".join(read("k") for read in reads), self._unit(position)
            if isinstance(layer, Scale):
                for sign, values, stem in (
                    ("*", layer.weights, "factor"),
                    ("+", layer.bias, "bias"),
                ):
                    if values is not None:
                        table = self._table(stem, position, dense(values))
                        value += f" {sign} {table}[{unit}]"
            lines = each(prod(self.shapes[position]), [f"{goal}[k] = {value};"])
        return lines + self._activated(layer, position, goal)

    def _unit(self, position):
        """The unit along the first axis to which number `k` of a result belongs."""
        size = prod(self.shapes[position][1:])
        return "k" if size == 1 else f"k / {size}"

    def _convolution(self, layer, position, source, goal, shape):
        """All products with the places of one weight after the other."""
        settings = layer.settings or {}
        n_out, n_in, *kernel = layer.weights.shape
        places = self.shapes[position][1:]
        groups = int(settings.get("groups", 1))
        channel = "0" if groups == 1 else f"(k / {n_out // groups} * {n_in})"
        at, loop, tail, head, scale = self._entries(layer, position, n_in * prod(kernel))
        weight, factor = self._weight(self._stored(layer), position, at)
        lines = added(weight, channel, shape, places, kernel, settings, source, goal)
        lines = [line.replace("float_type", self.reads) for line in lines]
        after = self._after(layer, position, scale if factor is None else factor)
        size = prod(places)
        number = f"{goal}[k * {size} + j]"
        last = [f"for (j = 0; j < {size}; j++) {number} = {number}{after};"]
        return [
            "{",
            *([f"    {head}"] if head else []),
            *each(
                n_out,
                [
                    "int j;",
                    f"for (j = 0; j < {size}; j++) {number} = 0;",
                    *loop,
                    *(f"    {line}" for line in lines),
                    *tail,
                    *(last if after else []),
                ],
            ),
            "}",
        ]

    def _table(self, stem, position, values):
        name = f"{stem}_{position}"
        values = np.asarray(values)
        kind = self.program.real(np.float32 if values.dtype.itemsize < 8 else np.float64)
        self.program.table(name, values.ravel(), kind)
        return name

    @staticmethod
    def _stored(layer):
        sparse = isinstance(layer.weights, SparseWeights)
        return layer.weights.values if sparse else layer.weights

    def _after(self, layer, position, scale):
        """What follows a sum of products: a factor and an offset of the output."""
        after = "" if scale is None else f" * {self._table('scale', position, scale)}[k]"
        if layer.bias is not None:
            after += f" + {self._table('bias', position, layer.bias)}[k]"
        return after

    def _dense(self, layer, position, value, goal, n_in):
        """The product with weights in any form."""
        at, loop, tail, head, scale = self._entries(layer, position, n_in)
        weight, factor = self._weight(self._stored(layer), position, at)
        after = self._after(layer, position, scale if factor is None else factor)
        return [
            "{",
            *([f"    {head}"] if head else []),
            *each(
                layer.weights.shape[0],
                [
                    f"{self.reads} sum = 0;",
                    *loop,
                    f"    sum += {value} * {weight};",
                    *tail,
                    f"{goal}[k] = sum{after};",
                ],
            ),
            "}",
        ]

    def _entries(self, layer, position, n_in):
        """How the stored weights of output `k` are followed, `i` the column of each.

        The place of a weight, statements before and after those of each, a declaration,
        and the scale of each output or None.
        """
        weights = layer.weights
        if not isinstance(weights, SparseWeights):
            loop = ["long i;", f"for (i = 0; i < {n_in}; i++) {{"]
            return f"{n_in}L * k + i", loop, ["}"], "", None
        gap, count = f"gap_{position}", f"count_{position}"
        self.program.table(gap, weights.gaps, f"uint{8 * weights.gaps.itemsize}_t")
        self.program.table(count, weights.counts)
        most = np.iinfo(weights.gaps.dtype).max
        steps, head = [f"i += {gap}[entry];"], "uint32_t entry = 0;"
        if (weights.gaps == most).any():
            head = "uint32_t entry = 0, place = 0;"
            steps = [
                f"while ({gap}[place] == {most}) i += {gap}[place++];",
                f"i += {gap}[place++];",
            ]
        loop = [
            f"const uint32_t last = entry + {count}[k];",
            "uint32_t i = 0;",
            "for (; entry < last; entry++) {",
            *(f"    {step}" for step in steps),
        ]
        return "entry", loop, ["}"], head, weights.scale

    def _weight(self, values, position, at):
        """Add stored weights: how one is read, and the factors of outputs, or None."""
        program, name, real = self.program, f"weight_{position}", self.reads
        if not isinstance(values, QuantizedArray):
            self._table("weight", position, values)
            return f"{name}[{at}]", None
        codes, scale = values.codes, values.scale
        if values.values is not None:
            level = self._table("level", position, values.values)
            if codes.shape == values.shape:
                program.table(name, codes.ravel(), "uint8_t")
                return f"{level}[{name}[{at}]]", None
            program.table(name, codes, "uint8_t")
            return f"{level}[{name}[({at}) / 2] >> 4 * (({at}) % 2) & 15]", None
        if (
            values.offset is None
            and codes.dtype == np.int8
            and (scale is None or scale.size == values.shape[0])
        ):
            program.table(name, codes.ravel(), "int8_t")
            return f"({real}){name}[{at}]", None if scale is None else scale
        if codes.dtype == np.float16 and scale is None and np.isfinite(codes).all():
            powers = [2.0 ** (max(1, exponent) - 25) for exponent in range(32)]
            if "half" not in program.once_added:
                program.table("power", powers, "float")
            program.once("half", _HALF)
            program.table(name, codes.ravel().view(np.uint16), "uint16_t")
            return f"half({name}[{at}])", None
        self._table("weight", position, values.dense())
        return f"{name}[{at}]", None

    def _activated(self, layer, position, goal):
        """Statements that apply the activation of a layer."""
        width = prod(self.shapes[position])
        name, facts = layer.activation, dict(layer.facts or {})
        z = f"{goal}[k]"
        if layer.slopes is not None:
            slope = self._table("slope", position, layer.slopes)
            at = self._unit(position) if len(layer.slopes) > 1 else "0"
            return each(width, [f"if ({z} < 0) {z} *= {slope}[{at}];"])
        if name in ("softmax", "log_softmax") and len(self.shapes[position]) > 1:
            self.refuse(f"{name} of maps")
        if name == "softmax":
            self.program.use("softmax", self.score)
            return [f"softmax({goal}, {width});"]
        if name == "log_softmax":
            exp, log = self.function("exp"), self.function("log")
            return [
                "{",
                f"    {self.reads} top = {goal}[0], sum = 0;",
                *(f"    {line}" for line in each(width, [f"if ({z} > top) top = {z};"])),
                *(f"    {line}" for line in each(width, [f"sum += {exp}({z} - top);"])),
                f"    sum = {log}(sum);",
                *(f"    {line}" for line in each(width, [f"{z} = {z} - top - sum;"])),
                "}",
            ]
        if name not in _ACTIVATIONS:
            self.refuse("an activation that is none of the known ones")
        value = _ACTIVATIONS[name](self, **facts)
        if value is None:
            return []
        return each(width, [f"const {self.reads} v = {z};", f"{z} = {value};"])

    def once(self, name, text):
        """Add a function of one number."""
        self.program.needs_math = True
        return self.program.once(name, text.format(real=self.reads, f=self.f))

    def _elu(self, alpha=1.0, width=1.0):
        name = self.once("elu", _ELU)
        return f"{name}(v, {self.constant(alpha)}, {self.constant(width)})"

    def _selu(self):
        return f"{self._elu(SELU_ALPHA)} * {self.constant(SELU_SCALE)}"

    def _gelu(self, approximate="none"):
        c = self.constant
        if approximate == "tanh":
            root = self.constant(np.sqrt(2 / np.pi))
            inner = f"{root} * (v + {c(0.044715)} * (v * v * v))"
            return f"{c(0.5)} * v * (1 + {self.function('tanh')}({inner}))"
        self.program.needs_math = True
        erf = f"({self.reads})erf(v * {c(np.sqrt(0.5))})"
        return f"{c(0.5)} * v * (1 + {erf})"

    def _sigmoid(self):
        return f"{self.once('sigmoid', _EXPIT)}(v)"

    def _softplus(self, beta=1.0, threshold=20.0):
        name, c = self.once("softplus", _SOFTPLUS), self.constant
        scaled = "v" if beta == 1.0 else f"v * {c(beta)}"
        found = f"{name}({scaled})" + ("" if beta == 1.0 else f" / {c(beta)}")
        return f"{scaled} > {c(threshold)} ? v : {found}"

    def _clipped(self, low, high):
        low, high = self.constant(low), self.constant(high)
        return f"v < {low} ? {low} : v > {high} ? {high} : v"

    def _hard_sigmoid(self):
        return "v + 3 < 0 ? 0 : v + 3 > 6 ? 1 : (v + 3) / 6"


_ACTIVATIONS = {
    "identity": lambda net: None,
    "relu": lambda net: "v < 0 ? 0 : v",
    "relu6": lambda net: net._clipped(0.0, 6.0),
    "leaky_relu": lambda net, negative_slope=0.01: (
        f"v < 0 ? v * {net.constant(negative_slope)} : v"
    ),
    "elu": _Net._elu,
    "celu": lambda net, alpha=1.0: net._elu(alpha, alpha),
    "selu": _Net._selu,
    "gelu": _Net._gelu,
    "silu": lambda net: f"v * {net._sigmoid()}",
    "mish": lambda net: f"v * {net.function('tanh')}({net.once('softplus', _SOFTPLUS)}(v))",
    "tanh": lambda net: f"{net.function('tanh')}(v)",
    "sigmoid": _Net._sigmoid,
    "logistic": _Net._sigmoid,
    "softplus": _Net._softplus,
    "softsign": lambda net: "v / (1 + (v < 0 ? -v : v))",
    "hardtanh": lambda net, min_val=-1.0, max_val=1.0: net._clipped(min_val, max_val),
    "hardsigmoid": _Net._hard_sigmoid,
    "hardswish": lambda net: f"v * ({net._hard_sigmoid()})",
    "logsigmoid": lambda net: f"-{net.once('softplus', _SOFTPLUS)}(-v)",
}


class _Classifier(_Net):
    def _least(self):
        return self.constant(self.compact._least_score())

    def label(self):
        if self.compact.multilabel_:
            return None
        if self.n_raw > 1:
            self.program.use("largest", self.score)
            return ["raw(x, out);", f"return largest(out, {self.n_raw});"]
        if len(self.classes) == 1:
            return ["(void)x, (void)out;", "return 0;"]
        return ["raw(x, out);", f"return out[0] > {self._least()};"]

    def labels(self):
        if not self.compact.multilabel_:
            return None
        line = f"codes[k] = out[k] > {self._least()};"
        return self.n_raw, ["raw(x, out);", *each(self.n_raw, [line])]

    def probabilities(self):
        n, lines = self.n_raw, ["raw(x, out);"]
        if self.compact.output_ == "softmax":
            self.program.use("softmax", self.score)
            return n, [*lines, f"softmax(out, {n});"]
        if self.compact.output_ == "sigmoid":
            self.program.use("expit", self.score)
            lines += each(n, ["out[k] = expit(out[k]);"])
        if self.compact.multilabel_ or n > 1:
            return n, lines
        return 2, [*lines, "out[1] = out[0];", "out[0] = 1 - out[1];"]


class _Regressor(_Net):
    def numbers(self):
        lines = ["raw(x, out);"]
        if self.compact.output_ == "exp":
            lines += each(self.n_raw, [f"out[k] = {self.function('exp')}(out[k]);"])
        return self.n_raw, lines


class _Module(Writer):
    def prepare(self):
        name = type(self.compact.net_.module_).__name__
        self.refuse(
            f"the net {name}, whose layers cannot be followed",
            "Export the module by torch.onnx.export.",
        )


WRITERS = {
    "CompactNetClassifier": _Classifier,
    "CompactNetRegressor": _Regressor,
    "CompactModule": _Module,
}
