"""Graphs of torch modules: layers in order, and which units they share."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn.utils.parametrize import is_parametrized
from torch.nn.utils.prune import BasePruningMethod

from sklearn_prune.predictors import KNOWN_ACTIVATIONS, Graph, Operation, Site

_MIXES = ("softmax", "log_softmax")
_ACTIVATIONS = {
    nn.ReLU: ("relu", ()),
    nn.ReLU6: ("relu6", ()),
    nn.LeakyReLU: ("leaky_relu", ("negative_slope",)),
    nn.ELU: ("elu", ("alpha",)),
    nn.SELU: ("selu", ()),
    nn.CELU: ("celu", ("alpha",)),
    nn.GELU: ("gelu", ("approximate",)),
    nn.SiLU: ("silu", ()),
    nn.Mish: ("mish", ()),
    nn.Tanh: ("tanh", ()),
    nn.Sigmoid: ("sigmoid", ()),
    nn.Softplus: ("softplus", ("beta", "threshold")),
    nn.Softsign: ("softsign", ()),
    nn.Hardtanh: ("hardtanh", ("min_val", "max_val")),
    nn.Hardsigmoid: ("hardsigmoid", ()),
    nn.Hardswish: ("hardswish", ()),
    nn.LogSigmoid: ("logsigmoid", ()),
}
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
_COMPUTING_HOOKS = {
    "torch.nn.utils.weight_norm.WeightNorm": "remove_weight_norm",
    "torch.nn.utils.spectral_norm.SpectralNorm": "remove_spectral_norm",
}
_SAME = ("contiguous", "clone", "detach", "float", "dropout", "identity", "dropout2d")
_SHAPE_ONLY = ("size", "getattr", "getitem", "dim", "len", "mul", "floordiv")


class NotFollowed(Exception):
    """Says in half a sentence why a module cannot be followed."""


def follow(module, example):
    """The graph of a module in evaluation mode; the module is not changed.

    `example` has some rows, on the device of the module. Batch norms without factor and
    offset get names of their own. NotFollowed for an operation that predictors do not have.
    """
    if (computed := computed_weight(module)) is not None:
        raise NotFollowed(f"{computed[0]} is computed from other parameters")
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        traced = fx.symbolic_trace(module)
        with torch.no_grad():
            ShapeProp(traced).propagate(example)
    except NotFollowed:
        raise
    except Exception as error:  # tracing runs the user's code, which may raise anything
        raise NotFollowed(f"torch.fx cannot trace it ({_first_line(error)})") from error
    finally:
        for part in training:
            part.training = True
    graph = _Follower(traced).run()
    known = module.state_dict()
    for operation in graph.operations:
        for name in (operation.weight, operation.bias):
            if operation.kind != "scale" and name is not None and name not in known:
                raise NotFollowed(f"{name} is no parameter")
    return graph


def computed_weight(module):
    """The first weight that is computed from other parameters, and the call that ends it.

    Masks, weight norms, spectral norms and parametrizations of `torch.nn.utils`.
    """
    for path, part in module.named_modules():
        where = f"net.module_.get_submodule({path!r})" if path else "net.module_"
        for hook in part._forward_pre_hooks.values():
            kind = f"{type(hook).__module__}.{type(hook).__name__}"
            if isinstance(hook, BasePruningMethod):
                leaf, remove = hook._tensor_name, "prune.remove"
            elif kind in _COMPUTING_HOOKS:
                leaf, remove = hook.name, _COMPUTING_HOOKS[kind]
            else:
                continue
            return _joined(path, leaf), f"torch.nn.utils.{remove}({where}, {leaf!r})"
        if is_parametrized(part):
            leaf = next(iter(part.parametrizations))
            remove = "torch.nn.utils.parametrize.remove_parametrizations"
            return _joined(path, leaf), f"{remove}({where}, {leaf!r})"
    return None


def _joined(path, leaf):
    return f"{path}.{leaf}" if path else leaf


class _Follower:
    """Goes through the nodes of a traced module and collects operations."""

    def __init__(self, traced):
        self.modules = dict(traced.named_modules())
        self.nodes = list(traced.graph.nodes)
        self.operations = []
        self.shapes = []
        self.position = {}  # of the operation that gives the result of a node
        self.used = set()

    def run(self):
        last = None
        for node in self.nodes:
            if node.op == "placeholder":
                self._placeholder(node)
            elif node.op == "output":
                last = self._source(node.args[0], "its output is no single tensor")
            elif node.op == "call_module":
                self._module(node)
            elif node.op == "get_attr":
                raise NotFollowed(f"it reads {node.target} outside of a layer")
            else:
                self._function(node)
        operations = tuple(self.operations[: last + 1])
        return Graph(operations, sites_of(operations, self.shapes[: last + 1]))

    def _placeholder(self, node):
        if not node.users and self.operations:
            return
        if self.operations:
            raise NotFollowed("it has several inputs")
        self._add(node, Operation("input"))

    def _add(self, node, operation):
        shape = tuple(node.meta["tensor_meta"].shape)
        self.position[node] = len(self.operations)
        self.operations.append(operation)
        self.shapes.append(shape)

    def _source(self, node, reason):
        if not isinstance(node, fx.Node) or node not in self.position:
            raise NotFollowed(reason)
        return self.position[node]

    def _shape(self, node):
        return tuple(node.meta["tensor_meta"].shape)

    def _module(self, node):
        module = self.modules[node.target]
        source = self._source(node.args[0], f"{node.target} has an unusual input")
        if isinstance(module, (nn.Identity, *_DROPOUTS)):
            self.position[node] = source
            return
        found = self._layer(node, module, source)
        if found is None:
            raise NotFollowed(f"{node.target} is a {type(module).__name__}")
        if found.weight is not None or found.bias is not None:
            if node.target in self.used:
                raise NotFollowed(f"{node.target} is used twice")
            self.used.add(node.target)
        self._add(node, found)

    def _layer(self, node, module, source):
        name, inputs = node.target, (source,)
        if type(module) is nn.Linear:
            if len(self.shapes[source]) != 2:
                raise NotFollowed(f"{name} reads rows of more than one dimension")
            return Operation("dense", inputs, f"{name}.weight", _bias(name, module))
        if type(module) in (nn.Conv1d, nn.Conv2d):
            return self._convolution(name, module, inputs)
        if type(module) in _NORMS:
            if module.running_mean is None:
                raise NotFollowed(f"{name} has no running mean")
            return Operation("scale", inputs, f"{name}.weight", f"{name}.bias")
        if type(module) is nn.PReLU:
            shared = module.num_parameters == 1 != self.shapes[source][1]
            settings = {"name": "prelu", **({"shared": True} if shared else {})}
            return Operation("activation", inputs, f"{name}.weight", settings=settings)
        if type(module) in _ACTIVATIONS:
            kind, wanted = _ACTIVATIONS[type(module)]
            return _activation(kind, inputs, {key: getattr(module, key) for key in wanted})
        if type(module) in (nn.Softmax, nn.LogSoftmax):
            kind = "softmax" if type(module) is nn.Softmax else "log_softmax"
            if module.dim not in (None, 1, -1) or len(self.shapes[source]) != 2:
                raise NotFollowed(f"{name} is a softmax over no columns")
            return _activation(kind, inputs, {})
        if type(module) is nn.Flatten:
            return self._flattened(node, inputs)
        if type(module) is nn.Unflatten:
            return self._reshaped(node, inputs)
        return self._pool(type(module).__name__, vars(module), inputs, node)

    def _convolution(self, name, module, inputs):
        n_places = module.weight.ndim - 2
        if module.padding_mode != "zeros":
            raise NotFollowed(f"{name} pads by {module.padding_mode}")
        padding = module.padding
        if padding == "valid":
            padding = (0,) * n_places
        elif padding == "same":
            reach = [
                step * (size - 1)
                for step, size in zip(module.dilation, module.kernel_size, strict=True)
            ]
            if any(size % 2 for size in reach):
                raise NotFollowed(f"{name} pads its two sides differently")
            padding = tuple(size // 2 for size in reach)
        settings = {
            "stride": module.stride,
            "padding": padding,
            "dilation": module.dilation,
            "groups": module.groups,
        }
        return Operation("conv", inputs, f"{name}.weight", _bias(name, module), settings)

    def _pool(self, name, facts, inputs, node):
        n_places = len(self.shapes[inputs[0]]) - 2
        if name.startswith("Adaptive") and name[8:11] in ("Avg", "Max"):
            size = _each(facts["output_size"], n_places)
            kind = f"adaptive_{name[8:11].lower()}_pool"
            return Operation(kind, inputs, settings={"output_size": size})
        if name[:7] not in ("MaxPool", "AvgPool") or name[7:] not in ("1d", "2d"):
            return None
        size = _each(facts["kernel_size"], n_places)
        settings = {
            "kernel_size": size,
            "stride": _each(facts["stride"] or size, n_places),
            "padding": _each(facts["padding"], n_places),
            "ceil_mode": bool(facts["ceil_mode"]),
        }
        if name.startswith("Max"):
            settings["dilation"] = _each(facts["dilation"], n_places)
            return Operation("max_pool", inputs, settings=settings)
        if facts.get("divisor_override"):
            raise NotFollowed(f"{node.target} divides by a number of its own")
        settings["count_include_pad"] = bool(facts["count_include_pad"])
        return Operation("avg_pool", inputs, settings=settings)

    def _function(self, node):
        name = node.target if isinstance(node.target, str) else node.target.__name__
        if name in _SHAPE_ONLY and "tensor_meta" not in node.meta:
            return
        name = name.rstrip("_")
        if name in ("add", "iadd"):
            self._add(node, self._sum(node))
            return
        source = self._source(node.args[0] if node.args else None, f"it calls {name}")
        inputs = (source,)
        if name in _SAME:
            self.position[node] = source
            return
        if name in ("flatten", "view", "reshape", "squeeze", "unflatten", "unsqueeze"):
            if len(self._shape(node)) <= 2:
                operation = self._flattened(node, inputs)
            else:
                operation = self._reshaped(node, inputs)
        elif name == "mean":
            operation = self._mean(node, inputs)
        elif name in ("softmax", "log_softmax"):
            axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
            if axis not in (None, 1, -1) or len(self.shapes[source]) != 2:
                raise NotFollowed(f"it takes a {name} over no columns")
            operation = _activation(name, inputs, {})
        elif name in KNOWN_ACTIVATIONS:
            operation = self._called_activation(name, node, inputs)
        else:
            operation = self._called_pool(name, node, inputs)
        if operation is None:
            raise NotFollowed(f"it calls {name}")
        self._add(node, operation)

    def _called_activation(self, name, node, inputs):
        wanted = next((keys for kind, keys in _ACTIVATIONS.values() if kind == name), ())
        defaults = {"negative_slope": 0.01, "alpha": 1.0, "approximate": "none"}
        defaults |= {"beta": 1.0, "threshold": 20.0, "min_val": -1.0, "max_val": 1.0}
        given = dict(zip(wanted, node.args[1:], strict=False))
        settings = {key: defaults[key] for key in wanted} | given
        settings |= {key: value for key, value in node.kwargs.items() if key in wanted}
        return _activation(name, inputs, settings)

    def _called_pool(self, name, node, inputs):
        """A pool that is called as a function has the name of a layer, spelled apart."""
        layer = "".join(part.capitalize() for part in name.split("_"))
        layer = layer.replace("1D", "1d").replace("2D", "2d")
        if layer.startswith("Boolean"):
            return None
        keys = ["output_size"]
        if not layer.startswith("Adaptive"):
            keys = ["kernel_size", "stride", "padding", "dilation", "ceil_mode"]
            if layer.startswith("Avg"):
                keys = ["kernel_size", "stride", "padding", "ceil_mode"]
                keys.append("count_include_pad")
        facts = {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False}
        facts |= {"count_include_pad": True}
        facts |= dict(zip(keys, node.args[1:], strict=False)) | dict(node.kwargs)
        return self._pool(layer, facts, inputs, node)

    def _sum(self, node):
        if node.kwargs.get("alpha", 1) != 1:
            raise NotFollowed("it adds with a factor")
        sources = [self._source(part, "it adds a constant") for part in node.args[:2]]
        if self.shapes[sources[0]] != self.shapes[sources[1]]:
            raise NotFollowed("it adds tensors of two shapes")
        return Operation("add", tuple(sources))

    def _flattened(self, node, inputs):
        before, after = self.shapes[inputs[0]], self._shape(node)
        if after[0] != before[0] or len(after) not in (1, 2):
            raise NotFollowed(f"{node} mixes rows")
        return Operation("flatten", inputs)

    def _reshaped(self, node, inputs):
        before, after = self.shapes[inputs[0]], self._shape(node)
        if after[0] != before[0]:
            raise NotFollowed(f"{node} mixes rows")
        return Operation("reshape", inputs, settings={"shape": after[1:]})

    def _mean(self, node, inputs):
        n_dimensions = len(self.shapes[inputs[0]])
        axes = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        axes = [axes] if isinstance(axes, int) else list(axes or ())
        places = sorted(axis % n_dimensions for axis in axes)
        if places != list(range(2, n_dimensions)):
            raise NotFollowed("it takes a mean over something else than places")
        if len(self._shape(node)) != 2:
            raise NotFollowed("it keeps the dimensions of a mean")
        return Operation("mean", inputs)


def _activation(name, inputs, settings):
    return Operation("activation", inputs, settings={"name": name, **settings})


def _bias(name, module):
    return None if module.bias is None else f"{name}.bias"


def _each(value, n_places):
    return tuple(np.broadcast_to(value, n_places).tolist())


def _first_line(error):
    return str(error).splitlines()[0][:100] if str(error) else type(error).__name__


def sites_of(operations, shapes):
    """The sites whose units can go, of operations whose results have these shapes.

    Shapes have rows first. The last operation gives the output, whose units stay.
    """
    found, units, blocks = [], [], []
    for position, (operation, shape) in enumerate(zip(operations, shapes, strict=True)):
        inputs = [units[source].all() for source in operation.inputs]
        block = blocks[operation.inputs[0]] if inputs else 1
        made = _step(operation, shape, inputs, block, shapes, position)
        if made not in found and not any(made is given for given in inputs):
            found.append(made)
        units.append(made)
        blocks.append(_block_after(operation, shapes, block))
    units[-1].all().fixed = True
    return tuple(
        Site(
            group.unit, group.size, group.source, tuple(group.makers), tuple(group.readers)
        )
        for group in found
        if group.joined is None and not group.fixed and group.readers
    )


@dataclass
class _Units:
    """Units that live and go together, gathered while going through the operations."""

    unit: str
    size: int
    makers: list = field(default_factory=list)
    readers: list = field(default_factory=list)
    source: int = 0
    fixed: bool = False
    joined: object = None

    def all(self):
        """The units that these have been joined with."""
        return self if self.joined is None else self.joined.all()

    def join(self, other):
        """Both go together from now on."""
        mine, other = self.all(), other.all()
        if mine is other:
            return
        mine.makers += other.makers
        mine.source = max(mine.source, other.source)
        mine.readers += other.readers
        mine.fixed |= other.fixed or mine.size != other.size
        mine.fixed |= "input" in (mine.unit, other.unit)
        other.joined = mine


def _step(operation, shape, inputs, block, shapes, position):
    """The units of the result of one operation."""
    kind = operation.kind
    if kind == "input":
        return _Units("input", shape[1] if len(shape) > 1 else 1, source=position)
    given = inputs[0]
    if kind in ("dense", "conv"):
        return _layer(operation, shape, given, block, shapes)
    if kind == "add":
        given.join(inputs[1])
        return given.all()
    if kind == "reshape":
        given.fixed = True
        return _Units("neuron", shape[1], fixed=True)
    if kind == "activation":
        given.fixed |= operation.settings["name"] in _MIXES
    if operation.weight is not None and not operation.settings.get(
        "shared"
    ):  # a factor, and perhaps an offset, for each unit
        names = [name for name in (operation.weight, operation.bias) if name]
        given.makers += [(name, 0) for name in names]
        given.fixed |= block != 1
    return given


def _layer(operation, shape, given, block, shapes):
    """Units that a dense or convolving operation makes of those that it reads."""
    names = [name for name in (operation.weight, operation.bias) if name]
    makers = [(name, 0) for name in names]
    unit = "channel" if operation.kind == "conv" else "neuron"
    groups = operation.settings.get("groups", 1)
    if groups == 1:
        given.readers.append((operation.weight, 1, block))
        if len(given.readers) == 1:
            given.source = operation.inputs[0]
        return _Units(unit, shape[1], makers)
    n_read = shapes[operation.inputs[0]][1]
    if groups == n_read == shape[1] and given.unit != "input":
        given.makers += makers  # each channel is convolved by itself
        return given
    given.fixed = True
    return _Units(unit, shape[1], makers, fixed=True)


def _block_after(operation, shapes, block):
    """Neighbouring entries, along axis 1, of each unit of the result."""
    if operation.kind == "flatten":
        return block * math.prod(shapes[operation.inputs[0]][2:])
    if operation.kind in ("dense", "conv", "input", "reshape"):
        return 1
    return block
