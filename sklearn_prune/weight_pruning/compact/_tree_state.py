"""How flat trees are stored: what their order implies is left out, codebooks are put in."""

import numpy as np

from sklearn_prune.weight_pruning.compact._leaves import smallest_int

DERIVED = ("nodes", "node_start", "leaf_start", "wide_column", "column_bits", "leaf_ids")


def packed(trees):
    """The state that `unpack` reads, in arrays that compress well.

    Children need two bits a node. What nodes compare is a feature and, among its
    columns, mostly one bit; then the position of the key among those of the feature,
    the nodes of one feature side by side and the bytes of one significance together.
    """
    state = {name: part for name, part in vars(trees).items() if name not in DERIVED}
    sizes, inner, column, keys = trees.node_parts()
    feature = trees.columns.feature[column]
    within = column - _first_columns(trees.columns.feature)[column]
    state["sizes"] = smallest_int(sizes)
    state["inner"] = np.packbits(inner)
    state["feature"] = smallest_int(feature)
    state["within"] = smallest_int(within) if within.max() > 1 else np.packbits(within > 0)
    order = np.argsort(feature, kind="stable")
    if trees.columns.first is None:
        state["codebook"], keys = _codebook(feature[order], keys[order])
    else:
        keys = keys[order] + np.uint32(1)  # the key of no split becomes 0
    state["keys"] = _byte_planes(keys)
    if trees.id_bytes:
        state["leaf_ids"] = np.ascontiguousarray(
            trees.leaf_ids.reshape(-1, trees.id_bytes).T
        )
    return state


def unpack(trees, state):
    """Set the attributes of the trees from their state.

    Raises ValueError where parts of it do not fit together, before anything is made of
    them that is larger than they are.
    """
    stored = ("sizes", "inner", "feature", "within", "keys")
    sizes, inner, feature, within, planes = (state[name] for name in stored)
    vars(trees).update((name, state[name]) for name in state if name not in stored)
    codebook = vars(trees).pop("codebook", None)
    sizes = sizes.astype(np.int64)
    n_nodes = len(feature)
    if sizes.min(initial=n_nodes + 1) < 1 or sizes.sum() != n_nodes:
        raise ValueError(f"{n_nodes} nodes cannot be those of trees of the sizes {sizes}")
    inner = np.unpackbits(inner, count=2 * n_nodes).astype(bool)
    if len(within) != n_nodes:
        within = np.unpackbits(within, count=n_nodes)
    columns = trees.columns.feature
    column = np.searchsorted(columns, feature.astype(columns.dtype)) + within
    if column.max() >= len(columns) or column.min() < 0:
        raise ValueError(f"column {column.max()} is not among {len(columns)} columns")
    order = np.argsort(feature, kind="stable")
    ordered = np.zeros((n_nodes, 4), dtype=np.uint8)
    ordered[:, : len(planes)] = planes.T
    ordered = ordered.view("<u4").ravel()
    if codebook is None:
        ordered -= np.uint32(1)
    else:
        ordered = _from_codebook(codebook, ordered, feature[order])
    keys = np.empty(n_nodes, dtype=np.uint32)
    keys[order] = ordered
    trees.leaf_ids = np.ascontiguousarray(
        state.get("leaf_ids", np.zeros((0, 0), dtype=np.uint8)).T
    ).ravel()
    trees.set_nodes(sizes, inner, column, keys)


def _first_columns(feature):
    """The first column of the feature of each column; columns are sorted by feature."""
    return np.searchsorted(feature, feature)


def _byte_planes(values):
    """Unsigned integers: their lowest bytes, the next ones, up to the last ones needed."""
    n_bytes = max(1, (int(values.max(initial=0)).bit_length() + 7) // 8)
    parts = values.astype("<u4").view(np.uint8).reshape(-1, 4)
    return np.ascontiguousarray(parts[:, :n_bytes].T)


def _codebook(feature, keys):
    """The distinct keys of each feature, as differences, and the place of each key there.

    The nodes stand in order of their features.
    """
    pairs = feature.astype(np.uint64) << np.uint64(32) | keys.astype(np.uint64)
    distinct, place = np.unique(pairs, return_inverse=True)
    first = np.searchsorted(distinct, feature.astype(np.uint64) << np.uint64(32))
    values = (distinct & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    return np.diff(values, prepend=np.uint32(0)), place - first


def _from_codebook(differences, places, feature):
    """Keys from what `_codebook` gives: each feature has one more than its last place."""
    values = np.cumsum(differences, dtype=np.uint32)
    of_feature, first = np.unique(feature, return_index=True)
    sizes = np.maximum.reduceat(places, first).astype(np.int64) + 1
    begin = np.cumsum(sizes) - sizes
    return values[begin[np.searchsorted(of_feature, feature)] + places]
