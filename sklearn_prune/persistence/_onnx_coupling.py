"""The iteration by which libsvm makes class probabilities of those of pairs, as a loop."""

import numpy as np

from sklearn_prune.persistence._onnx_graph import Value


def couple(graph, logits, n_classes):
    """Class probabilities from those of pairs; see `compact._kernel.couple`."""
    odds = (-logits.abs()).exp()
    one = graph.value(1.0, like=logits)
    first = graph.where(logits >= 0.0, odds, one) / (odds + 1.0)
    first = first.clip(1e-7, 1 - 1e-7)
    low, high = np.triu_indices(n_classes, 1)
    n_pairs, size = len(low), n_classes * n_classes
    place, other = np.zeros((n_pairs, size)), np.zeros((n_pairs, size))
    place[np.arange(n_pairs), low * n_classes + high] = 1.0
    other[np.arange(n_pairs), high * n_classes + low] = 1.0
    pairs = (first @ place + (1.0 - first) @ other).reshape(-1, n_classes, n_classes)
    squares = (pairs * pairs).sum(1)
    matrix = -(pairs.transpose(0, 2, 1) * pairs)
    matrix = matrix + squares.reshape(0, 1, -1) * np.eye(n_classes)
    start = first.take(np.array([0]), axis=1) * 0.0 + np.full(n_classes, 1.0 / n_classes)
    return _loop(graph, matrix, start, n_classes)


def _loop(graph, matrix, start, n_classes):
    """Repeat the step for the rows that still move."""
    from onnx import helper

    most = graph.constant(np.int64(max(100, n_classes)))
    yes = graph.constant(np.bool_(True))
    float_type = graph.tensor_type(start.dtype)
    names = [graph.fresh(stem) for stem in ("iteration", "goes_on", "estimates", "moving")]
    estimates = Value(graph, names[2], start.dtype)
    with graph.inside() as nodes:
        stepped, moving = _step(graph, matrix, estimates, n_classes)
        moved = graph.where(moving, stepped, estimates)
        on = moving.cast(np.int64).reduce("Max", [0, 1]) > np.int64(0)
    counter, flag = (graph.tensor_type(np.dtype(kind)) for kind in (np.int64, bool))
    body = helper.make_graph(
        nodes,
        graph.fresh("coupling"),
        [
            helper.make_tensor_value_info(names[0], counter, []),
            helper.make_tensor_value_info(names[1], flag, []),
            helper.make_tensor_value_info(names[2], float_type, [None, n_classes]),
        ],
        [
            helper.make_tensor_value_info(on.name, flag, []),
            helper.make_tensor_value_info(moved.name, float_type, [None, n_classes]),
        ],
    )
    return graph.node("Loop", [most, yes, start], dtype=start.dtype, ndim=2, body=body)


def _step(graph, Q, p, n_classes):
    """One round over the classes, and which rows had not converged before it."""
    Qp = (Q @ p.reshape(0, -1, 1)).reshape(0, -1)
    pQp = (p * Qp).sum(1, keepdims=True)
    furthest = (Qp - pQp).abs().max(1, keepdims=True)
    moving = furthest >= 0.005 / n_classes
    diagonal = np.arange(n_classes) * (n_classes + 1)
    own = Q.reshape(-1, n_classes * n_classes).take(diagonal, axis=1)
    for code in range(n_classes):
        at = np.array([code])
        step = (pQp - Qp.take(at, axis=1)) / own.take(at, axis=1)
        p = p + step * np.eye(n_classes)[code]
        more = step + 1.0
        pQp = pQp + step * (step * own.take(at, axis=1) + Qp.take(at, axis=1) * 2.0)
        pQp = pQp / (more * more)
        Qp = (Qp + step * Q.column(code)) / more
        p = p / more
    return p, moving
