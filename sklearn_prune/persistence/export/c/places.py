"""Convolutions and pools in C: loops over channels, places and windows."""

import numpy as np

from sklearn_prune.predictors import places_out


def convolved_places(shape, kernel, settings):
    """Numbers of places of a convolution of maps of a shape, without the channels."""
    stride, padding, dilation = _window(settings, len(kernel))
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(shape[1:], kernel, stride, padding, dilation, strict=True)
    )


def pooled_places(shape, settings):
    """Numbers of places after a pool."""
    kind, sizes = settings["kind"], shape[1:]
    if kind == "mean":
        return ()
    if kind.startswith("adaptive"):
        wanted = np.broadcast_to(np.array(settings["output_size"], object), len(sizes))
        return tuple(n if m is None else int(m) for m, n in zip(wanted, sizes, strict=True))
    kernel, stride, padding, dilation = _pool_window(settings, len(sizes))
    ceil_mode = settings.get("ceil_mode", False)
    return tuple(places_out(sizes, kernel, stride, padding, dilation, ceil_mode))


def _each(value, n):
    return [int(v) for v in np.broadcast_to(value, n)]


def _window(settings, n):
    settings = settings or {}
    known = (("stride", 1), ("padding", 0), ("dilation", 1))
    return [_each(settings.get(name, default), n) for name, default in known]


def _pool_window(settings, n):
    kernel = _each(settings["kernel_size"], n)
    stride = settings.get("stride")
    stride = kernel if stride is None else _each(stride, n)
    padding, dilation = (
        _each(settings.get(name, default), n)
        for name, default in (("padding", 0), ("dilation", 1))
    )
    return kernel, stride, padding, dilation


def _flat(first, counters, sizes):
    """The position of a place: first * n0 * n1 + c0 * n1 + c1."""
    found = first
    for counter, size in zip(counters, sizes, strict=True):
        found = f"({found}) * {size} + {counter}"
    return found


def added(weight, channel, shape, places, kernel, settings, source, goal):
    """Statements that add the products of one weight with all places it meets.

    `i` is the position of the weight among those of output `k`, `channel` that of the
    first channel that the output reads; `source` gives an input by its position.
    """
    sizes, n = shape[1:], len(kernel)
    stride, padding, dilation = _window(settings, n)
    lines, inner, counters = [f"const int c = (int)i / {int(np.prod(kernel))};"], [], []
    ends = np.cumprod([1, *kernel[::-1]])[::-1].tolist()
    depth = 0
    for d in range(n):
        p, at, pad = f"p{d}", f"a{d}", "    " * depth
        offset = f"(int)i / {ends[d + 1]} % {kernel[d]} * {dilation[d]} - {padding[d]}"
        lines.append(f"const int o{d} = {offset};")
        inner += [
            f"{pad}for ({p} = 0; {p} < {places[d]}; {p}++) {{",
            f"{pad}    const int {at} = {p} * {stride[d]} + o{d};",
            f"{pad}    if ({at} < 0 || {at} >= {sizes[d]}) continue;",
        ]
        counters.append(at)
        depth += 1
    value = source(_flat(f"{channel} + c", counters, sizes))
    to = _flat("k", [f"p{d}" for d in range(n)], places)
    inner.append("    " * depth + f"{goal}[{to}] += {value} * w;")
    inner += ["    " * d + "}" for d in reversed(range(n))]
    ints = ", ".join(f"p{d}" for d in range(n))
    return [*lines, f"const float_type w = {weight};", f"int {ints};", *inner]


def pooled(settings, shape, places, source, goal, real):
    """Statements of a pool of maps."""
    kind, sizes, n = settings["kind"], shape[1:], len(shape) - 1
    largest, counted = kind.endswith("max_pool"), None
    loops, ints, depth = [], [], 1
    adaptive = kind.startswith("adaptive") or kind == "mean"
    if adaptive:
        wanted = places or (1,) * n
    else:
        wanted = places
        kernel, stride, padding, dilation = _pool_window(settings, n)
    for d in range(n):
        pad = "    " * depth
        loops.append(f"{pad}for (p{d} = 0; p{d} < {wanted[d]}; p{d}++) {{")
        ints += [f"p{d}", f"a{d}"]
        depth += 1
    pad = "    " * depth
    head, inner = [], []
    if largest:
        head.append(f"{pad}{real} best = -INFINITY;")
    else:
        head += [f"{pad}{real} sum = 0;", f"{pad}int count = 1;"]
    at_depth = depth
    for d in range(n):
        own = "    " * at_depth
        if adaptive:
            low = f"p{d} * {sizes[d]} / {wanted[d]}"
            high = f"((p{d} + 1) * {sizes[d]} + {wanted[d] - 1}) / {wanted[d]}"
            head.append(f"{pad}const int low{d} = {low}, high{d} = {high};")
            step = 1
        else:
            reach, step = dilation[d] * (kernel[d] - 1) + 1, dilation[d]
            head.append(f"{pad}const int low{d} = p{d} * {stride[d]} - {padding[d]};")
            head.append(f"{pad}const int end{d} = low{d} + {reach};")
            head.append(
                f"{pad}const int high{d} = end{d} < {sizes[d]} ? end{d} : {sizes[d]};"
            )
        if not largest:
            counted = f"high{d} - low{d}"
            if not adaptive and settings.get("count_include_pad", True):
                most = sizes[d] + padding[d]
                counted = f"(end{d} < {most} ? end{d} : {most}) - low{d}"
            elif not adaptive:
                counted = f"high{d} - (low{d} > 0 ? low{d} : 0)"
            head.append(f"{pad}count *= {counted};")
        inner.append(f"{own}for (a{d} = low{d}; a{d} < high{d}; a{d} += {step})")
        if not adaptive and padding[d]:
            inner[-1] += f" if (a{d} >= 0)"
        at_depth += 1
    inner[-1] += " {"
    value = source(_flat("k", [f"a{d}" for d in range(n)], sizes))
    own = "    " * at_depth
    inner.append(f"{own}const {real} v = {value};")
    inner.append(f"{own}if (v > best) best = v;" if largest else f"{own}sum += v;")
    inner.append("    " * (at_depth - 1) + "}")
    to = _flat("k", [f"p{d}" for d in range(n)], wanted)
    result = "best" if largest else "sum / count"
    tail = [f"{pad}{goal}[{to}] = {result};"]
    tail += ["    " * d + "}" for d in reversed(range(1, depth))]
    return [
        f"for (k = 0; k < {shape[0]}; k++) {{",
        f"    int {', '.join(ints)};",
        *loops,
        *head,
        *inner,
        *tail,
        "}",
    ]
