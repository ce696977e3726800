"""Convolutions and pools: torch's where it is imported, numpy's else."""

import sys
from itertools import product
from math import prod

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def _torch():
    """torch if it is imported already, else None. Its tensors share memory with arrays."""
    return sys.modules.get("torch")


def _tensor(array):
    return _torch().from_numpy(np.require(array, requirements=["C", "W"]))


def _each(value, n_places):
    return tuple(int(v) for v in np.broadcast_to(value, n_places))


def convolve(maps, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Maps of shape (n_rows, n_channels, *places) convolved along all places."""
    n_places = maps.ndim - 2
    torch = _torch()
    if torch is not None:
        convolution = getattr(torch.nn.functional, f"conv{n_places}d")
        result = convolution(
            _tensor(maps),
            _tensor(weight),
            None if bias is None else _tensor(bias),
            stride,
            padding,
            dilation,
            groups,
        )
        return result.numpy()
    columns = unfolded(maps, weight.shape[2:], stride, padding, dilation, groups)
    by_group = weight.reshape(groups, len(weight) // groups, -1)
    result = columns @ by_group.transpose(0, 2, 1)
    size = places_out(
        maps.shape[2:],
        weight.shape[2:],
        *(_each(value, n_places) for value in (stride, padding, dilation)),
        ceil_mode=False,
    )
    result = result.reshape(groups, len(maps), prod(size), -1).transpose(1, 0, 3, 2)
    result = result.reshape(len(maps), len(weight), *size)
    if bias is not None:
        result += bias.reshape(-1, *(1,) * n_places)
    return result


def unfolded(maps, kernel, stride=1, padding=0, dilation=1, groups=1):
    """What a convolution multiplies at each place.

    Of shape (groups, n_rows * n_places, n_channels / groups * size of the kernel).
    """
    n_places = maps.ndim - 2
    stride, dilation = _each(stride, n_places), _each(dilation, n_places)
    windows = _windows(_padded(maps, _each(padding, n_places), 0), kernel, stride, dilation)
    n_rows, n_channels = maps.shape[:2]
    size = windows.shape[2 : 2 + n_places]
    windows = windows.reshape(n_rows, groups, n_channels // groups, *windows.shape[2:])
    # To (groups, rows, *places, channels of the group, *kernel): one product a group.
    axes = (1, 0, *range(3, 3 + n_places), 2, *range(3 + n_places, 3 + 2 * n_places))
    return windows.transpose(axes).reshape(groups, n_rows * prod(size), -1)


def _padded(maps, padding, value, extra=None):
    extra = (0,) * len(padding) if extra is None else extra
    widths = [(0, 0), (0, 0), *((p, p + e) for p, e in zip(padding, extra, strict=True))]
    if not any(sum(width) for width in widths):
        return maps
    return np.pad(maps, widths, constant_values=value)


def _windows(maps, kernel, stride, dilation):
    """Views of shape (n_rows, n_channels, *places, *kernel)."""
    n_places = len(kernel)
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    windows = sliding_window_view(maps, reach, axis=tuple(range(2, 2 + n_places)))
    steps = (*(slice(None, None, s) for s in stride),)
    inner = (*(slice(None, None, d) for d in dilation),)
    return windows[(slice(None), slice(None), *steps, *inner)]


def places_out(size, kernel, stride, padding, dilation, ceil_mode):
    """How many places a pool gives along each axis."""
    found = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        span = n + 2 * p - d * (k - 1) - 1
        n_out = (-(-span // s) if ceil_mode else span // s) + 1
        if ceil_mode and (n_out - 1) * s >= n + p:
            n_out -= 1
        found.append(n_out)
    return found


def _pooled_windows(maps, kernel, stride, padding, dilation, ceil_mode, value):
    n_places = maps.ndim - 2
    kernel, padding = _each(kernel, n_places), _each(padding, n_places)
    stride = kernel if stride is None else _each(stride, n_places)
    dilation = _each(dilation, n_places)
    size = maps.shape[2:]
    n_out = places_out(size, kernel, stride, padding, dilation, ceil_mode)
    extra = [
        max(0, (m - 1) * s + d * (k - 1) + 1 - n - 2 * p)
        for m, s, d, k, n, p in zip(
            n_out, stride, dilation, kernel, size, padding, strict=True
        )
    ]
    windows = _windows(_padded(maps, padding, value, extra), kernel, stride, dilation)
    return windows[(slice(None), slice(None), *(slice(0, m) for m in n_out))], padding


def max_pool(maps, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """The largest of each window."""
    n_places = maps.ndim - 2
    torch = _torch()
    if torch is not None:
        pool = getattr(torch.nn.functional, f"max_pool{n_places}d")
        stride = kernel_size if stride is None else stride
        return pool(
            _tensor(maps), kernel_size, stride, padding, dilation, ceil_mode
        ).numpy()
    windows, _ = _pooled_windows(
        maps, kernel_size, stride, padding, dilation, ceil_mode, -np.inf
    )
    return windows.max(axis=tuple(range(2 + n_places, 2 + 2 * n_places)))


def avg_pool(
    maps, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True
):
    """The mean of each window."""
    n_places = maps.ndim - 2
    torch = _torch()
    if torch is not None:
        pool = getattr(torch.nn.functional, f"avg_pool{n_places}d")
        stride = kernel_size if stride is None else stride
        return pool(
            _tensor(maps), kernel_size, stride, padding, ceil_mode, count_include_pad
        ).numpy()
    inner = tuple(range(2 + n_places, 2 + 2 * n_places))
    options = (kernel_size, stride, padding, 1, ceil_mode, 0)
    windows, padding = _pooled_windows(maps, *options)
    ones = np.ones((1, 1, *maps.shape[2:]), dtype=maps.dtype)
    if count_include_pad:
        ones = _padded(ones, padding, 1)
        counted = _windows_like(ones, windows, kernel_size, stride)
    else:
        counted = _pooled_windows(ones, *options)[0]
    return windows.sum(axis=inner) / counted.sum(axis=inner)


def _windows_like(ones, windows, kernel_size, stride):
    """Windows over padded ones, as many as there are over the maps."""
    n_places = ones.ndim - 2
    kernel = _each(kernel_size, n_places)
    stride = kernel if stride is None else _each(stride, n_places)
    n_out = windows.shape[2 : 2 + n_places]
    extra = [
        max(0, (m - 1) * s + k - n)
        for m, s, k, n in zip(n_out, stride, kernel, ones.shape[2:], strict=True)
    ]
    ones = _padded(ones, (0,) * n_places, 0, extra)
    found = _windows(ones, kernel, stride, (1,) * n_places)
    return found[(slice(None), slice(None), *(slice(0, m) for m in n_out))]


def _adaptive(combine, maps, output_size):
    """Each result is over the places from floor(i n / m) to ceil((i + 1) n / m)."""
    sizes = maps.shape[2:]
    n_out = [
        n if m is None else m
        for m, n in zip(
            np.broadcast_to(np.array(output_size, dtype=object), len(sizes)),
            sizes,
            strict=True,
        )
    ]
    result = np.empty((*maps.shape[:2], *n_out), dtype=maps.dtype)
    inner = tuple(range(2, maps.ndim))
    for place in product(*map(range, n_out)):
        part = tuple(
            slice(i * n // m, -(-(i + 1) * n // m))
            for i, n, m in zip(place, sizes, n_out, strict=True)
        )
        result[(..., *place)] = combine(maps[(..., *part)], axis=inner)
    return result


def adaptive_avg_pool(maps, output_size):
    """Means over windows that divide the places evenly."""
    return _adaptive(np.mean, maps, output_size)


def adaptive_max_pool(maps, output_size):
    """Maxima over windows that divide the places evenly."""
    return _adaptive(np.max, maps, output_size)


def mean(maps):
    """The mean over all places."""
    return maps.mean(axis=tuple(range(2, maps.ndim)))


POOLS = {
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "adaptive_avg_pool": adaptive_avg_pool,
    "adaptive_max_pool": adaptive_max_pool,
    "mean": mean,
}
