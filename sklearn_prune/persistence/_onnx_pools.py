"""Pools of nets as ONNX operators."""

from itertools import product

import numpy as np

from sklearn_prune.weight_pruning.compact._net_places import places_out


def pooled(graph, maps, settings, shape):
    """Maps put together as the settings of a layer say, and their shape."""
    settings = dict(settings)
    kind = settings.pop("kind")
    if kind == "mean":
        places = list(range(2, maps.ndim))
        return maps.reduce("Mean", places), shape[:1]
    if kind.startswith("adaptive"):
        return _adaptive(graph, maps, kind, settings["output_size"], shape)
    return _windowed(graph, maps, kind, settings, shape)


def _windowed(graph, maps, kind, settings, shape):
    n_places = len(shape) - 1

    def each(name, default):
        value = settings.get(name)
        value = default if value is None else value
        return [int(v) for v in np.broadcast_to(value, n_places)]

    kernel = each("kernel_size", 1)
    strides, padding = each("stride", kernel), each("padding", 0)
    dilation = each("dilation", 1)
    ceil_mode = bool(settings.get("ceil_mode", False))
    n_out = places_out(shape[1:], kernel, strides, padding, dilation, ceil_mode)
    pads = padding * 2
    attributes = {"kernel_shape": kernel, "strides": strides}
    counts_border = settings.get("count_include_pad", True)
    if ceil_mode:
        extra = [
            max(0, (m - 1) * s + d * (k - 1) + 1 - n - 2 * p)
            for m, s, d, k, n, p in zip(
                n_out, strides, dilation, kernel, shape[1:], padding, strict=True
            )
        ]
        pads = padding + [p + e for p, e in zip(padding, extra, strict=True)]
        if kind == "avg_pool" and counts_border and any(extra):
            return _averaged_by_counts(
                graph, maps, attributes, padding, pads, extra, shape, n_out
            )
    attributes["pads"] = pads
    if kind == "max_pool":
        found = graph.node("MaxPool", [maps], dilations=dilation, **attributes)
    else:
        found = graph.node(
            "AveragePool", [maps], count_include_pad=int(counts_border), **attributes
        )
    return found, (shape[0], *n_out)


def _averaged_by_counts(graph, maps, attributes, padding, pads, extra, shape, n_out):
    """Means over windows that count the border, but not what rounding up has added."""
    found = graph.node("AveragePool", [maps], count_include_pad=1, pads=pads, **attributes)
    n_window = np.prod(attributes["kernel_shape"])
    factor = np.ones(n_out, dtype=np.float32)
    sizes = zip(shape[1:], padding, strict=True)
    limits = [n + 2 * p for n, p in sizes]
    for place in product(*map(range, n_out)):
        inside = [
            min(i * s + k, limit) - i * s
            for i, s, k, limit in zip(
                place,
                attributes["strides"],
                attributes["kernel_shape"],
                limits,
                strict=True,
            )
        ]
        factor[place] = n_window / np.prod(inside)
    return found * factor, (shape[0], *n_out)


def _adaptive(graph, maps, kind, output_size, shape):
    """Each result is over the places from floor(i n / m) to ceil((i + 1) n / m)."""
    sizes = shape[1:]
    wanted = np.broadcast_to(np.array(output_size, dtype=object), len(sizes))
    n_out = [n if m is None else int(m) for m, n in zip(wanted, sizes, strict=True)]
    largest = kind == "adaptive_max_pool"
    if all(n % m == 0 for n, m in zip(sizes, n_out, strict=True)):
        kernel = [n // m for n, m in zip(sizes, n_out, strict=True)]
        op = "MaxPool" if largest else "AveragePool"
        found = graph.node(op, [maps], kernel_shape=kernel, strides=kernel)
        return found, (shape[0], *n_out)
    found = maps
    for axis, (n, m) in enumerate(zip(sizes, n_out, strict=True), start=2):
        parts = []
        for i in range(m):
            window = found.take(np.arange(i * n // m, -(-(i + 1) * n // m)), axis=axis)
            op = "Max" if largest else "Mean"
            parts.append(window.reduce(op, axis, keepdims=True))
        found = graph.concat(parts, axis=axis)
    return found, (shape[0], *n_out)
