"""Trees in flat arrays: 8 bytes a node, traversed by compiled kernels."""

from copy import copy

import numpy as np

from ..base import is_installed, kernels, kernels_for
from ..quantized import Stored, rows_of
from .columns import LARGEST_TABLE, LOGISTIC, NOT_A_SPLIT, KeyColumns
from .leaves import ValueLeaves, distinct_rows, leaf_table
from .stored import pack, unpack
from .walk import LARGEST_KEPT, PAIRS, Reader, Slots, packed_keys, walk_packed

# What the first call makes: with compiled kernels, and without.
KEPT = ("_layout", "_slots", "_reader", "_table")
ADDRESS_BITS = 30  # of a node, for its column and the position of its first child
MAPPED = 1 << 20  # bytes of nodes from which pickles hold them as they lie in memory
BLOCK = 8192  # largest number of rows in a block
BLOCK_ENTRIES = 1 << 24  # largest size of the arrays that a block needs
IDS_ARE_FASTER = 1.02  # leaf ids may take this times the bytes of a table without them
VISITS = 32  # columns whose keys take the time of a path through one tree
_FEW_SUMS = 1 << 15  # numbers that are added up at once
FEW_ROWS = 256  # up to this number of rows `walk_rows` is faster than `walk_block`


class FlatTrees(Stored):
    """Trees in flat arrays, made by `build`.

    Only inner nodes are stored, breadth first, 8 bytes each. A leaf is an id of 1 to 4
    bytes. Leaves of all trees with equal values share an id. An id below `n_pure` is a
    class: its leaves hold rows of this class only, and add 1 to it.

    Attributes
    ----------
    n_features, n_outputs, n_trees, n_leaves, n_splits : int
    dtype : numpy dtype
        Of the features: float32 or float64.
    nodes : ndarray of uint64
    node_start, leaf_start : ndarray of shape (n_trees + 1,)
        Positions of the first node and the first leaf of each tree.
    column_bits : int
        Number of bits of a node that hold its column; 0 if columns are in `wide_column`.
    wide_column : ndarray of uint32
        Columns of the nodes, if they do not fit into `nodes`; else empty.
    leaf_ids : ndarray of uint8
        `id_bytes` for each leaf; empty if each leaf has its own row of the table.
    table : ValueLeaves, ShareLeaves or SparseLeaves
        What leaf ``n_pure + k`` adds.
    columns : KeyColumns
    """

    _layout = None

    @classmethod
    def build(
        cls,
        trees,
        n_features,
        *,
        one_hot_classes=None,
        bounds=None,
        exact_float64_thresholds=False,
        n_outputs=None,
        output_column=None,
        category_sets=(),
        table=leaf_table,
    ):
        """Store trees.

        Parameters
        ----------
        trees : TreeArrays or sequence of TreeArrays
            At least one tree; all have values of the same width.
        n_features : int
            Number of columns of X.
        one_hot_classes : int or None, default=None
            Number of classes, if leaves hold class shares of one output. Leaves of one
            class are then not stored in the table.
        bounds : sequence of int or None, default=None
            If the values are class shares: the first column of the classes of each output,
            and the number of columns. Shares may then be stored as counts. By default
            ``[0, one_hot_classes]``.
        exact_float64_thresholds : bool, default=False
            Whether features are compared in float64. If False, rows are float32, and
            thresholds are rounded down to float32, which changes no comparison.
        n_outputs : int or None, default=None
            Number of outputs; by default the width of the values.
        output_column : sequence of int or None, default=None
            The first output to which tree t adds is
            ``output_column[t % len(output_column)]``, by default 0. For boosting with one
            tree for each class in each round, it is ``range(n_classes)``.
        category_sets : sequence of CategorySet, default=()
            The sets that `category` of the trees indexes; only with float64 features.
        table : callable, default=leaf_table
            Makes the leaf table from (distinct rows of values, their weights or None,
            bounds or None).

        Returns
        -------
        FlatTrees

        Notes
        -----
        Cost: O(n log(n)) for n nodes.
        """
        from .arrays import FlatNodes, TreeArrays  # not where trees are loaded

        self = cls()
        self.n_features = int(n_features)
        nodes = FlatNodes([trees] if isinstance(trees, TreeArrays) else trees)
        self.n_outputs = nodes.value.shape[1] if n_outputs is None else int(n_outputs)
        self.output_column = np.asarray(
            [0] if output_column is None else output_column, dtype=np.int64
        )
        self.columns, column, keys = KeyColumns.of(
            nodes,
            n_features,
            float64=exact_float64_thresholds,
            category_sets=category_sets,
        )
        if bounds is None and one_hot_classes is not None:
            bounds = [0, one_hot_classes]
        self._set_leaves(nodes.value, nodes.weight, one_hot_classes or 0, bounds, table)
        self.set_nodes(nodes.sizes, nodes.inner, column, keys)
        return self

    n_trees = property(lambda self: len(self.node_start) - 1)
    n_leaves = property(
        lambda self: int(self.leaf_start[-1]) - int(self._are_stumps().sum())
    )
    n_splits = property(lambda self: len(self.nodes) - int(self._are_stumps().sum()))
    dtype = property(lambda self: self.columns.dtype)

    def __getstate__(self):
        return pack(self, mapped=self.nodes.nbytes >= MAPPED)

    def __setstate__(self, state):
        state = {  # joblib maps arrays as np.memmap
            name: np.asarray(part) if isinstance(part, np.ndarray) else part
            for name, part in state.items()
        }
        if "nodes" in state:
            vars(self).update(state)
        else:
            unpack(self, state)

    def _file_state(self, mapped=False):
        return pack(self, mapped=mapped)

    def _set_file_state(self, state):
        unpack(self, state)

    def __copy__(self):
        other = type(self)()
        vars(other).update(
            (name, part) for name, part in vars(self).items() if name not in KEPT
        )
        return other

    def _are_stumps(self):
        """Mask of the trees without a split, stored as a node with two equal leaves."""
        return self.nodes[self.node_start[:-1]] >> np.uint64(32) == NOT_A_SPLIT

    def _set_leaves(self, values, weights, n_pure, bounds, table):
        """Give equal leaves one id, and set the table of their values."""
        values = values + 0.0
        ids = np.zeros(len(values), dtype=np.int64)
        mixed = np.ones(len(values), dtype=bool)
        if n_pure:
            mixed = (values.max(axis=1) != 1.0) | ((values != 0).sum(axis=1) != 1)
            ids[~mixed] = values[~mixed].argmax(axis=1)
        distinct, ids[mixed] = distinct_rows(values[mixed])
        ids[mixed] += n_pure
        self.n_pure = n_pure
        distinct = self._set_ids(ids, distinct, values[:1].nbytes)
        chosen = np.flatnonzero(mixed)[distinct]
        if bounds is not None:
            bounds = np.asarray(bounds, dtype=np.int32)
        if weights is not None:
            weights = weights[chosen]
        self.table = table(values[chosen], weights, bounds)

    def _set_ids(self, ids, distinct, row_bytes):
        """Store the ids of the leaves, or none if a table with a row a leaf is smaller.

        Returns the leaves whose values become rows of the table: `distinct`, or all.
        """
        n_ids = self.n_pure + len(distinct)
        self.id_bytes = max(1, (int(n_ids - 1).bit_length() + 7) // 8)
        n_bytes = self.id_bytes * len(ids) + len(distinct) * row_bytes
        if not self.n_pure and n_bytes > IDS_ARE_FASTER * len(ids) * row_bytes:
            self.id_bytes, distinct = 0, np.arange(len(ids))
        parts = ids.astype("<u4").view(np.uint8).reshape(-1, 4)
        self.leaf_ids = parts[:, : self.id_bytes].flatten()
        return distinct

    def set_nodes(self, sizes, inner, column, keys):
        """Set the nodes. Positions of children follow from the breadth-first order.

        Parameters
        ----------
        sizes : ndarray of shape (n_trees,)
            Number of nodes of each tree.
        inner : ndarray of bool, shape (2 * n_nodes,)
            Whether the left and the right child of each node are nodes, not leaves.
        column, keys : ndarray of shape (n_nodes,)
            The column of each node, and the key that it is compared with.
        """
        node_start = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        before = np.cumsum(inner, dtype=np.int64) - inner
        first_child = 1 + before[::2]
        first_child -= np.repeat(before[2 * node_start[:-1]], sizes)
        n_inner = np.add.reduceat(inner.astype(np.int64), 2 * node_start[:-1])
        leaf_start = np.concatenate([[0], np.cumsum(2 * sizes - n_inner)])
        largest = max(int(node_start[-1]), int(leaf_start[-1]))
        start_dtype = np.uint32 if largest < 1 << 32 else np.uint64
        self.node_start = node_start.astype(start_dtype)
        self.leaf_start = leaf_start.astype(start_dtype)
        bits = len(self.columns).bit_length()  # with room for one more column, of zeros
        self.wide_column = np.zeros(0, dtype=np.uint32)
        if int(first_child.max()) >> max(ADDRESS_BITS - bits, 0):
            self.wide_column, column, bits = column.astype(np.uint32), 0 * column, 0
        self.column_bits = bits
        word = column | inner[::2].astype(np.int64) << bits
        word |= inner[1::2].astype(np.int64) << (bits + 1) | first_child << (bits + 2)
        self.nodes = keys.astype(np.uint64) << np.uint64(32) | word.astype(np.uint64)

    def node_parts(self):
        """The arguments of `set_nodes`, read from the nodes."""
        start = self.node_start.astype(np.int64)
        own = slice(start[0], start[-1])
        nodes = self.nodes[own]
        low = (nodes & np.uint64(0xFFFFFFFF)).astype(np.int64)
        bits = self.column_bits
        inner = np.stack([(low >> bits) & 1, (low >> (bits + 1)) & 1], axis=1).astype(bool)
        column = low & ((1 << bits) - 1) if bits else self.wide_column[own].astype(np.int64)
        keys = (nodes >> np.uint64(32)).astype(np.uint32)
        return np.diff(start), inner.ravel(), column, keys

    def sum(self, X, *, baseline=None, n_jobs=None):
        """Sums of the leaf values of each row, in the order of the trees.

        X are checked rows in `dtype`. The sums start from `baseline`, of shape
        (n_outputs,). They are float64, of shape (n_samples, n_outputs), and do not depend
        on the number of threads.
        """
        out = np.zeros((X.shape[0], self.n_outputs))
        if baseline is not None:
            out += baseline
        self.add_to(out, X, n_jobs=n_jobs)
        return out

    def add_to(self, out, X, *, n_jobs=None):
        """Add the leaf values of each row to its outputs, one tree after the other."""

        def add_block(rows):
            leaves = self._walk(X[rows], self.id_bytes)
            self.table.add(leaves, self.n_pure, self.output_column, out[rows])

        def add_sums(rows):
            part = np.require(self.columns.dense(X[rows]), requirements="CW")
            layout, rest = self._layout, (out[rows].reshape(-1), out[rows])
            if not layout.sums(part, layout.flags, *rest):  # missing values
                from .layouts import layout_of

                layout = self._layout = layout_of(self, reads_nan=True)
                layout.sums(part, layout.flags, *rest)

        if self._kernels_for(X) is None:
            for rows, leaves in self._leaves_by_numpy(X):
                self._add_by_numpy(self._ids_at(leaves), out[rows])
            return
        self._in_blocks(add_sums if self._laid_out() else add_block, X.shape[0], n_jobs)

    def quick_sums(self, X, flags, start):
        """`sum` of rows that are not checked, or None where they need another way.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Floats in rows, one after the other.
        flags : int
            What is refused, and what is made of the sums: see `layouts`.
        start : ndarray of shape (n_outputs,), or None
            What the sums start from, in their dtype; by default zeros in float64.
        """
        layout = self._layout
        if layout is None and self._kernels_for(X) is not None:
            layout = self._laid_out()
        if not layout or not layout.reads_floats:
            return None
        start = layout.zeros if start is None else start
        width = len(start)
        if flags & LOGISTIC:
            if not layout.has_exact_logistic():
                return None
            width += 1
        out = np.empty((len(X), width), start.dtype)
        return out if layout.sums(X, flags | layout.flags, start, out) else None

    def _laid_out(self):
        """The trees as compiled sums read them; False where no such form fits them."""
        layout = self._layout
        if layout is None:  # of two threads that are here, either may win
            from .layouts import layout_of

            layout = self._layout = layout_of(self)
        return layout

    def _add_by_numpy(self, ids, out):
        """Add tree by tree; numpy's own sums may go in pairs, which rounds differently."""
        values, as_float32 = self._leaf_table()[1:]
        if values is None:
            asked, ids = np.unique(ids, return_inverse=True)
            values = self.id_values(asked)
        columns, width = self.output_column, values.shape[1]
        n_trees, n_columns = len(ids), len(columns)
        few = len(out) * n_trees * width <= _FEW_SUMS
        few &= n_trees % n_columns == 0 and (out.dtype == np.float64 or as_float32)
        if few and (
            n_columns == 1 or (width == 1 and len(set(columns.tolist())) == n_columns)
        ):
            added = values.take(ids, axis=0).astype(out.dtype, copy=False)
            if n_columns == 1:
                part = out[:, columns[0] : columns[0] + width]
                sums = np.concatenate([part[None], added])
                part[:] = np.add.accumulate(sums, axis=0)[-1]
                return
            added = added.reshape(-1, n_columns, len(out))
            sums = np.concatenate([out[:, columns].T[None], added])
            out[:, columns] = np.add.accumulate(sums, axis=0)[-1].T
            return
        for tree, of_tree in enumerate(ids):
            first = columns[tree % n_columns]
            part = out[:, first : first + width]
            part += values.take(of_tree, axis=0)

    def compile(self, dtype=np.float64):
        """Call the compiled kernels for few and for many rows, with sums in `dtype`."""
        if kernels("trees.kernels") is None:
            return
        for n_rows in (1, FEW_ROWS + 1):
            X = np.zeros((n_rows, self.n_features), dtype=self.dtype)
            self.add_to(np.zeros((n_rows, self.n_outputs), dtype), X)
        for precision in (np.float32, np.float64):
            self.quick_sums(X.astype(precision), 0, np.zeros(self.n_outputs, dtype))
        if self._layout:
            self._layout.has_exact_logistic()

    def part(self, first, last):
        """The trees from `first` to before `last`, which share the arrays of all."""
        other = copy(self)
        other._layout = False  # for the sake of one call
        other.node_start = self.node_start[first : last + 1]
        other.leaf_start = self.leaf_start[first : last + 1]
        if len(self.output_column) == self.n_trees:
            other.output_column = self.output_column[first:last]
        return other

    def leaf_ids_of(self, X, *, n_jobs=None):
        """Id of the leaf of each row in each tree, shape (n_samples, n_trees)."""
        return self._leaves(X, self.id_bytes, n_jobs)

    def apply_leaves(self, X, *, n_jobs=None):
        """Number of the leaf, within its tree, of each row in each tree, uint32.

        The shape is (n_samples, n_trees); X are checked rows in `dtype`.
        """
        return self._leaves(X, 0, n_jobs) - self.leaf_start[:-1].astype(np.uint32)

    def _leaves(self, X, id_bytes, n_jobs):
        leaves = np.empty((X.shape[0], self.n_trees), dtype=np.uint32)
        if self._kernels_for(X) is None:
            for rows, found in self._leaves_by_numpy(X):
                leaves[rows] = (self._ids_at(found) if id_bytes else found).T
            return leaves

        def walk_block(rows):
            leaves[rows] = self._walk(X[rows], id_bytes).T

        self._in_blocks(walk_block, X.shape[0], n_jobs)
        return leaves

    def _in_blocks(self, function, n_rows, n_jobs):
        """Call a function with slices of rows, in threads if `n_jobs` asks for them."""
        per_row = max(len(self.columns) + self.n_trees, self.n_features)
        block = max(FEW_ROWS, min(BLOCK, BLOCK_ENTRIES // per_row))
        blocks = [slice(start, start + block) for start in range(0, n_rows, block)]
        if len(blocks) < 2 or n_jobs in (None, 1) or not is_installed("joblib"):
            for rows in blocks:
                function(rows)
            return
        from joblib import Parallel, delayed

        threads = Parallel(n_jobs=n_jobs, prefer="threads", require="sharedmem")
        threads(delayed(function)(rows) for rows in blocks)

    def _kernels_for(self, X):
        return kernels_for("trees.kernels", X.shape[0] * self.n_trees)

    def _leaves_by_numpy(self, X):
        """Blocks of rows, and the position of their leaf in each tree."""
        reader = self.__dict__.get("_reader")
        if reader is None:
            reader = self._reader = Reader(self)
        slots = self.__dict__.get("_slots")
        if slots is None and len(self.nodes) <= LARGEST_KEPT:
            slots = self._slots = Slots(self)
        size = max(1, BLOCK_ENTRIES // max(self.n_trees, 2 * self.n_features))
        size = size if slots is not None else max(1, PAIRS // self.n_trees)
        for start in range(0, X.shape[0], size):
            rows = slice(start, start + size)
            read = self.columns.dense(X[rows])
            if slots is not None:
                yield rows, slots.walk(*reader(read))
                continue
            keys = packed_keys(self.columns, read)
            if len(reader.sets):
                keys[:, reader.sets] = reader.right(read)
            yield rows, walk_packed(self, keys)

    def _leaf_table(self):
        """Ids of leaves, what each id adds, each None if too large; if float32 holds it."""
        kept = self.__dict__.get("_table")
        if kept is None:
            small = (self.n_pure + len(self.table)) * self.n_outputs <= LARGEST_TABLE
            values = self.id_values() if small else None
            dtype = getattr(getattr(self.table, "values", None), "dtype", np.float32)
            few = int(self.leaf_start[-1]) <= LARGEST_KEPT
            ids = self._ids().astype(np.intp) if few else None
            kept = self._table = ids, values, dtype == np.float32
        return kept

    def _ids_at(self, leaves):
        """Ids of the leaves at some positions."""
        kept = self._leaf_table()[0]
        if kept is not None:
            return kept.take(leaves)
        if self.id_bytes == 0:
            return leaves
        ids = np.zeros(leaves.shape, dtype=np.intp)
        for byte in range(self.id_bytes):
            part = self.leaf_ids.take(leaves * self.id_bytes + byte)
            ids |= part.astype(np.intp) << (8 * byte)
        return ids

    def _walk(self, X, id_bytes):
        """The leaf of each (tree, row): its id, or its position if `id_bytes` is 0."""
        compiled, n_rows = self._kernels_for(X), X.shape[0]
        leaves = np.empty((self.n_trees, n_rows), dtype=np.uint32)
        starts = (self.node_start, self.leaf_start)
        ids = (self.leaf_ids, id_bytes, self.column_bits)
        few_visits = self.has_few_visits() and n_rows <= FEW_ROWS
        if self.column_bits == 0 or few_visits:  # keys would cost more than they save
            values = (*self.columns.values(X), self.nodes, self.wide_column)
            compiled.walk_values(*values, *starts, *ids, leaves)
        elif n_rows <= FEW_ROWS:
            compiled.walk_rows(self.columns.keys(X), self.nodes, *starts, *ids, leaves)
        else:
            columns, place = self.columns.needed_for(X)
            keys = columns.keys(X)
            compiled.walk_block(keys, self.nodes, *starts, *ids, place, leaves)
        return leaves

    def has_few_visits(self):
        """Whether rows visit few nodes beside their columns, of which most are not read."""
        return self.dtype == np.float32 and VISITS * self.n_trees <= len(self.columns)

    def to_arrays(self):
        """The trees, with thresholds as they are stored.

        Returns
        -------
        TreeArrays
            Nodes breadth first; values of inner nodes are zero. `category` of a categorical
            node is its column, which indexes ``columns.category_sets()``.
        """
        from .arrays import arrays_of_flat

        return arrays_of_flat(self)

    def leaf_values(self):
        """Values of each leaf, in the order of `leaf_start`, float64.

        The leaf of a tree without a split is there twice.
        """
        return self.id_values()[self._ids()]

    def id_values(self, ids=None):
        """Values of each leaf id, or of some sorted ones: (n_ids, width), float64."""
        if ids is None:
            ids = np.arange(self.n_pure + len(self.table))
        pure = ids[ids < self.n_pure]
        rows = self.table.rows(self.n_outputs, ids[len(pure) :] - self.n_pure)
        if len(pure):
            rows = np.vstack([np.eye(self.n_pure, rows.shape[1])[pure], rows])
        return rows

    def _ids(self):
        """Id of each leaf, in the order of `leaf_start`."""
        if self.id_bytes == 0:
            return np.arange(int(self.leaf_start[-1]))
        padded = np.zeros((len(self.leaf_ids) // self.id_bytes, 4), dtype=np.uint8)
        padded[:, : self.id_bytes] = self.leaf_ids.reshape(-1, self.id_bytes)
        return padded.view("<u4").ravel()

    def n_parameters(self):
        """Number of parameters: two for each split, and the values of each leaf."""
        return 2 * self.n_splits + self.n_leaves * self.id_values().shape[1]

    def n_nonzero(self):
        """Number of parameters that are not zero; both of a split count as non-zero."""
        of_leaves = np.count_nonzero(self.id_values(), axis=1)[self._ids()]
        repeated = self.leaf_start[:-1][self._are_stumps()]
        return int(2 * self.n_splits + of_leaves.sum() - of_leaves[repeated].sum())

    def with_leaf_values(self, values):
        """A copy with other values in the leaf table.

        Parameters
        ----------
        values : ndarray or QuantizedArray
            New ``table.values``. Leaves of equal new values share an id.
        """
        other = copy(self)
        other.table = copy(self.table)
        other.table.values = values
        if not isinstance(self.table, ValueLeaves):
            return other
        codes = getattr(values, "codes", values)
        if codes.shape != values.shape:  # several codes share a byte
            return other
        first, place = distinct_rows(codes)
        rows = self._ids().astype(np.int64) - self.n_pure
        ids = rows + self.n_pure
        ids[rows >= 0] = self.n_pure + place[rows[rows >= 0]]
        other._set_ids(ids, first, codes[:1].nbytes)
        other.table.values = rows_of(values, first if other.id_bytes else rows)
        return other
