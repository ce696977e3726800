"""Trees in C: tables of nodes, a walk to the leaf of each tree, and sums of leaf values.

A node has a column, a place among the thresholds of its column, and a link: the position
of its first child that is a node, and two bits that say which children are nodes.
"""

from copy import copy
from itertools import pairwise

import numpy as np

from sklearn_prune.persistence.export.c.stream import DoesNotFit, StreamTrees
from sklearn_prune.persistence.export.c.stream_source import raw_source
from sklearn_prune.persistence.export.c.text import c_type, number, smallest
from sklearn_prune.persistence.export.c.writer import Program, Writer
from sklearn_prune.predictors import (
    CATEGORIES,
    MISSING_LEFT,
    MISSING_RIGHT,
    MISSING_ZERO,
    QuantizedArray,
    ShareLeaves,
    SparseLeaves,
)

_COUNT_BITS = """
static uint32_t count_bits(uint32_t v)
{
    v -= (v >> 1) & 0x5555u;
    v = (v & 0x3333u) + ((v >> 2) & 0x3333u);
    v = (v + (v >> 4)) & 0x0f0fu;
    return (v + (v >> 8)) & 31u;
}
"""
_NOT_A_SPLIT = 0xFFFFFFFF
_DTYPES = {"float": np.float32, "double": np.float64}
_ROUNDED = """\
The trees take about {b} bytes. Rows are in single precision.
 * Leaves are rounded to {n} values. Scores are not those of the model, and neither
 * are labels where two scores are almost equal."""
_SMALL = 8192  # bytes of tables up to which "auto" may take a stream for speed
_CODE = 300  # bytes of the code that walks arrays, about


class TreeTables:
    """The nodes of trees as tables of C.

    Parameters
    ----------
    trees : FlatTrees
    real : {"float", "double"}
        Type of the rows.
    columns : ndarray of int, or None
        The columns of the rows that are the features of the trees; None is all.
    allow_nan : bool
        Whether rows may have missing values.
    tiny : float
        Rows count as zero up to this.
    """

    def __init__(self, trees, real, *, columns=None, allow_nan=True, tiny=0.0):
        self.trees, self.real = trees, real
        self.sizes, inner, column, keys = trees.node_parts()
        self.inner = inner.reshape(-1, 2)
        split = keys != _NOT_A_SPLIT
        known = trees.columns
        kind = known.kind.astype(np.int64)
        if not allow_nan:
            kind[kind != CATEGORIES] = MISSING_RIGHT
        feature = known.feature.astype(np.int64)
        if columns is not None:
            feature = np.asarray(columns).astype(np.int64)[feature]
        threshold = known.thresholds(column, keys).astype(np.float64)
        threshold[~split | (kind[column] == CATEGORIES)] = 0.0
        threshold = rounded(threshold, real, tiny)
        sets = np.where(kind == CATEGORIES, np.arange(len(kind)) + 1, 0)
        self.columns, column = _distinct(feature[column], kind[column], sets[column])
        self.feature, self.kind, self.set = self.columns.T
        pairs, place = _distinct(column, threshold)
        self.threshold = pairs[:, 1]
        self.column, self.place = column, place
        self.pair_column = pairs[:, 0].astype(np.int64)

    def add_to(self, program):
        """Add the tables, and the function ``leaf(x, first, tree)``."""
        first = np.cumsum(self.sizes) - self.sizes
        before = np.cumsum(self.inner.ravel()) - self.inner.ravel()
        child = 1 + before[::2] - np.repeat(before[2 * first], self.sizes)
        program.table("tree_size", self.sizes)
        threshold, column = self._conditions(program)
        if program.optimize == "size":
            bits = np.zeros(-(-len(self.inner) // 8) * 16, dtype=np.uint16)
            bits[: self.inner.size] = self.inner.ravel()
            words = (bits.reshape(-1, 16) << np.arange(16, dtype=np.uint16)).sum(axis=1)
            program.table("flags", words.astype(np.uint16), "uint16_t")
            program.table("before", before[::16])
            program.add(_COUNT_BITS)
            link = (
                "f = flags[i >> 3], s = 2 * (i & 7), w = (uint32_t)f >> s,\n"
                "            base = 1 + tree - first + before[i >> 3]"
                " + count_bits(f & ((1u << s) - 1))"
            )
        else:
            program.table("link", child << 2 | self.inner @ [1, 2])
            link = "w = link[i], base = w >> 2"
        test = self._test(program, threshold)
        feature = "c"
        if not np.array_equal(self.feature, np.arange(len(self.feature))):
            program.table("feature", self.feature)
            feature = "feature[c]"
        program.add(f"""
/* position of the leaf of a row in a tree whose first node is `first` */
static uint32_t leaf(const {self.real} *x, uint32_t first, uint32_t tree)
{{
    uint32_t at = 0;
    for (;;) {{
        const uint32_t i = first + at, c = {column}, {link};
        const {self.real} v = x[{feature}];
        uint32_t right;
{test}
        if (!((w >> right) & 1u)) /* leaves of a tree: one more than its nodes */
            return first + tree + 2 * at + 1 - base + (right & ~w);
        at = base + (right & w);
    }}
}}
""")

    def _conditions(self, program):
        """Add columns and thresholds in the fewest bytes; how they are read."""
        first = np.searchsorted(self.pair_column, np.arange(len(self.columns)))
        within = smallest(self.place - first[self.column])
        place, column = smallest(self.place), smallest(self.column)
        of_pair, begin = smallest(self.pair_column), smallest(first)
        layouts = {
            "pair": place.nbytes + of_pair.nbytes,
            "within": within.nbytes + column.nbytes + begin.nbytes,
            "both": place.nbytes + column.nbytes,
        }
        chosen = min(layouts, key=layouts.get)
        program.table("edge", self.threshold, self.real)
        if chosen == "pair":
            program.table("pair", place)
            program.table("column", of_pair)
            return "edge[pair[i]]", "column[pair[i]]"
        program.table("column", column)
        if chosen == "both":
            program.table("place", place)
            return "edge[place[i]]", "column[i]"
        program.table("place", within)
        program.table("edge_start", begin)
        return "edge[edge_start[c] + place[i]]", "column[i]"

    def _test(self, program, threshold):
        """Statements that set `right`."""
        kinds = set(self.kind.tolist())
        rules = []
        if kinds != {MISSING_RIGHT}:
            program.table("kind", self.kind)
        if MISSING_LEFT in kinds:
            rules.append(f"if (v != v && kind[c] == {MISSING_LEFT}) right = 0;")
        if MISSING_ZERO in kinds:
            rules.append(
                f"if (v != v && kind[c] == {MISSING_ZERO}) right = !(0 <= {threshold});"
            )
        if CATEGORIES in kinds:
            of_sets = [self.trees.columns.category_sets()[k - 1] for k in self.set if k]
            bits = [each.right_bits() for each in of_sets]
            ends = np.cumsum([0] + [len(each) for each in bits])
            start, size = np.zeros((2, len(self.kind)), dtype=np.int64)
            start[self.kind == CATEGORIES] = ends[:-1]
            size[self.kind == CATEGORIES] = np.diff(ends) - 2
            program.table("set_start", start)
            program.table("set_size", size)
            packed = np.packbits(np.concatenate(bits), bitorder="little")
            program.table("set_bits", packed, "uint8_t")
            rules.append(f"""if (kind[c] == {CATEGORIES}) {{ /* missing, others, 0, 1 */
            uint32_t b = set_start[c];
            if (v == v) b += v > -1 && v < set_size[c] ? 2u + (uint32_t)v : 1u;
            right = (set_bits[b >> 3] >> (b & 7)) & 1u;
        }}""")
        rules.append(f"right = !(v <= {threshold});")
        return "        " + "\n        else ".join(rules)


def rounded(threshold, real, tiny=0.0):
    """Thresholds of rows of a type, of which numbers up to `tiny` count as zero."""
    if tiny:
        threshold = np.where((threshold >= 0) & (threshold < tiny), tiny, threshold)
        below = np.nextafter(-tiny, -np.inf)
        threshold = np.where((threshold < 0) & (threshold >= -tiny), below, threshold)
    if real == "double":
        return threshold
    with np.errstate(over="ignore"):
        narrow = threshold.astype(np.float32)
        down = np.nextafter(narrow, np.float32(-np.inf))
    return np.where(narrow.astype(np.float64) > threshold, down, narrow)


def _distinct(*columns):
    """The distinct rows of columns side by side, sorted, and which each row is."""
    rows = np.stack(columns, axis=1)
    found, of = np.unique(rows, axis=0, return_inverse=True)
    return found, of.ravel()  # numpy 2.0.0 gives a column


class TreeWriter(Writer):
    """Sums of leaf values over trees; `start` is what they begin with, or None."""

    start = stream = None
    tiny = 0.0

    def __init__(self, program, compact, columns=None):
        super().__init__(program, compact, columns)
        if program.layout == "stream":
            try:
                self.stream = StreamTrees(
                    compact,
                    program.leaf_bits,
                    lengths=False if program.optimize == "size" else None,
                )
            except DoesNotFit as reason:
                program.notes.append(f"The trees are arrays, since {reason}.")
            else:
                program.precision = "float"
                n_bytes, n_values = self.stream.n_bytes, len(self.stream.values)
                program.notes.append(_ROUNDED.format(b=n_bytes, n=n_values))
                self.prepare()
        elif program.layout == "auto":
            self.stream = self._smaller_stream()

    def _smaller_stream(self):
        """The trees as a stream of the same answers, if it is smaller than the arrays.

        Walks through long trees take more time in a stream: it is for small models, or
        for ``optimize="size"``.
        """
        name, precision, optimize = (
            getattr(self.program, name) for name in ("name", "precision", "optimize")
        )
        try:
            found = StreamTrees(
                self.compact,
                None,
                lengths=None if optimize == "size" else True,
                dtype=_DTYPES[self.reads],
                score=_DTYPES[self.score],
            )
        except DoesNotFit:
            return None
        program = Program(name, precision, optimize)
        type(self)(program, self.compact, self.columns).write("raw")
        small = optimize == "size" or program.n_bytes <= _SMALL
        return found if small and found.n_bytes < program.n_bytes + _CODE else None

    @property
    def is_rounded(self):
        """Whether leaf values are rounded, so that scores are not those of the model."""
        return self.stream is not None and self.stream.scale is not None

    def answering(self, model):
        if not self.is_rounded:
            return model
        return _replaced(model, self.compact, self.stream.predictor())

    def prepare(self):
        self.trees = self.compact.trees_
        self.n_raw = self.trees.n_outputs
        self.reads = self.program.real(self.trees.dtype)

    def write(self, name):
        self.reads_rows = name == "raw"
        program, trees = self.program, self.trees
        if self.stream is not None:
            self.stream.columns = self.columns
            storage = f"{program.name.upper()}_CONST"
            program.add(raw_source(self.stream, name, storage, self.after()))
            return
        nodes = TreeTables(
            trees,
            self.reads,
            columns=self.columns,
            allow_nan=self.compact._allow_nan,
            tiny=self.tiny,
        )
        nodes.add_to(program)
        position = "leaf(x, first, t)"
        if trees.id_bytes:
            program.table("leaf_id", trees._ids())
            position = f"leaf_id[{position}]"
        adds = self._leaves()
        begin = "0"
        if self.start is not None and np.any(self.start):
            start = np.broadcast_to(self.start, self.n_raw)
            program.table("start", start, self.score)
            begin = "start[k]"
        program.add(f"""
static void {name}(const {self.reads} *x, {self.score} *out)
{{
    uint32_t t, k, first = 0;
    for (k = 0; k < {self.n_raw}u; k++) out[k] = {begin};
    for (t = 0; t < {trees.n_trees}u; t++) {{
        const uint32_t id = {position};
        first += tree_size[t];
{adds}
    }}
{self.after()}}}
""")

    def after(self):
        """Statements at the end of ``raw``."""
        return ""

    def _leaves(self):
        """Add the tables of what leaves add; the statements that add those of one."""
        trees, table = self.trees, self.trees.table
        n_pure, out = trees.n_pure, "out"
        at = f"id - {n_pure}u" if n_pure else "id"
        lines = []
        if n_pure:
            lines += [f"if (id < {n_pure}u) {{", "    out[id] += 1;", "    continue;", "}"]
        if not len(table):
            return _indented(lines)
        if isinstance(table, SparseLeaves):
            return _indented([*lines, *self._sparse_leaves(table, at)])
        if isinstance(table, ShareLeaves):
            return _indented([*lines, *self._share_leaves(table, at)])
        columns = np.asarray(trees.output_column)
        if columns.any():
            if np.array_equal(columns, np.arange(len(columns))):
                out = f"out + t % {len(columns)}u"
            else:
                self.program.table("output", columns)
                out = f"out + output[t % {len(columns)}u]"
        width, value = self._values(table.values)
        if width == 1:
            target = "out[0]" if out == "out" else f"*({out})"
            lines.append(f"{target} += {value.format(at=f'[{at}]', k='0')};")
            return _indented(lines)
        lines += [
            f"for (k = 0; k < {width}u; k++)",
            f"    ({out})[k] += {value.format(at=f'[{width}u * ({at}) + k]', k='k')};",
        ]
        return _indented(lines)

    def _values(self, values):
        """Add a table of leaf values: its width, and how one is read."""
        program, score = self.program, self.score
        if isinstance(values, QuantizedArray):
            codes = values.codes
            width = values.shape[1]
            if values.values is not None and codes.shape == values.shape:
                program.table("level", values.values, "float")
                program.table("value", codes, "uint8_t")
                return width, "level[value{at}]"
            if codes.dtype == np.int8 and values.offset is None and values.scale.size == 1:
                program.table("value", codes, "int8_t")
                scale = number(values.scale.ravel()[0], "float")
                return width, f"(float)value{{at}} * {scale}"
            values = values.dense()
        if program.precision == "float":
            values = values.astype(np.float32)
        whole = (
            np.all(values == np.rint(values)) and np.abs(values).max(initial=0) < 1 << 15
        )
        if whole and not np.any((values == 0) & np.signbit(values)):
            values = smallest(values.astype(np.int64))
        program.table("value", values, c_type(values.dtype))
        return values.shape[1], f"({score})value{{at}}"

    def _share_leaves(self, table, at):
        program, score, counts = self.program, self.score, table.counts
        width, bounds = counts.shape[1], table.bounds.tolist()
        program.table("share", counts)
        begin = f"const uint32_t row = {width}u * ({at});"
        add = f"if (share[row + k]) out[k] += ({score})share[row + k] / ({score})total;"
        if len(bounds) == 2:
            each = f"for (k = 0; k < {width}u; k++)"
            lines = [f"{each} total += share[row + k];", each, f"    {add}"]
            return [begin, "uint32_t total = 0;", *lines]
        program.table("bound", bounds)
        each = "for (k = bound[g]; k < bound[g + 1]; k++)"
        return [
            begin,
            "uint32_t total, g;",
            f"for (g = 0; g < {len(bounds) - 1}u; g++) {{",
            "    total = 0;",
            f"    {each} total += share[row + k];",
            f"    {each}",
            f"        {add}",
            "}",
        ]

    def _sparse_leaves(self, table, at):
        program, score = self.program, self.score
        values, scale = table._numbers()
        program.table("value_start", table.start)
        program.table("value_column", table.column)
        if table.shares:
            program.table("share", values)
            return [
                "uint32_t total = 0;",
                f"const uint32_t last = value_start[{at} + 1];",
                f"for (k = value_start[{at}]; k < last; k++) total += share[k];",
                f"for (k = value_start[{at}]; k < last; k++)",
                f"    out[value_column[k]] += ({score})share[k] / ({score})total;",
            ]
        if values.dtype.kind == "f" and program.precision == "float":
            values = values.astype(np.float32)
        program.table("value", values, c_type(values.dtype))
        factor = "" if scale == 1.0 else f" * {number(scale, score)}"
        return [
            f"const uint32_t last = value_start[{at} + 1];",
            f"for (k = value_start[{at}]; k < last; k++)",
            f"    out[value_column[k]] += ({score})value[k]{factor};",
        ]


def _replaced(model, member, other):
    """A model with another one in place of a member."""
    if model is member:
        return other
    model = copy(model)
    if hasattr(model, "inner_"):
        model.inner_ = _replaced(model.inner_, member, other)
    elif hasattr(model, "members_"):
        model.members_ = [_replaced(own, member, other) for own in model.members_]
    return model


def _indented(lines):
    return "\n".join(f"        {line}" for line in lines)


class _ForestWriter(TreeWriter):
    def prepare(self):
        super().prepare()
        self.score = self.program.real(np.float64)


class _ForestRegressor(_ForestWriter):
    def after(self):
        return f"    for (k = 0; k < {self.n_raw}u; k++) out[k] /= {self.trees.n_trees};\n"

    def numbers(self):
        return self.n_raw, ["raw(x, out);"]


class _ForestClassifier(_ForestWriter):
    after = _ForestRegressor.after

    def prepare(self):
        super().prepare()
        n_classes = self.compact.n_classes_ if self.compact.n_outputs_ > 1 else [self.n_raw]
        ends = np.cumsum([0, *n_classes]).tolist()
        self.groups = list(pairwise(ends))  # the first class of each output, and the end

    def probabilities(self):
        lines = ["raw(x, out);"]
        if self.compact.is_rounded:
            self.program.use("sums_to_one", self.score)
            self.program.use("sum_of", self.score)
            lines += [f"sums_to_one(out + {a}, {b - a});" for a, b in self.groups]
        return self.n_raw, lines

    def label(self):
        if len(self.groups) > 1:
            return None
        self.program.use("largest", self.score)
        return [*self.probabilities()[1], f"return largest(out, {self.n_raw});"]

    def labels(self):
        if len(self.groups) == 1:
            return None
        self.program.use("largest", self.score)
        lines = [
            f"codes[{k}] = largest(out + {a}, {b - a});"
            for k, (a, b) in enumerate(self.groups)
        ]
        return len(self.groups), [*self.probabilities()[1], *lines]


class _ScoreForest(_ForestWriter):
    def prepare(self):
        super().prepare()
        self.start = self.compact.intercept_


class _ScoreRegressor(_ScoreForest):
    numbers = _ForestRegressor.numbers


class _ScoreClassifier(_ScoreForest):
    def label(self):
        if self.n_raw > 1:
            self.program.use("largest", self.score)
            return ["raw(x, out);", f"return largest(out, {self.n_raw});"]
        if len(self.classes) == 1:
            return ["(void)x, (void)out;", "return 0;"]
        return ["raw(x, out);", "return out[0] > 0;"]

    def probabilities(self):
        if self.n_raw > 1:
            self.program.use("softmax", self.score)
            return self.n_raw, ["raw(x, out);", f"softmax(out, {self.n_raw});"]
        if len(self.classes) == 1:
            return 1, ["(void)x;", "out[0] = 1;"]
        self.program.use("expit", self.score)
        lines = ["out[1] = expit(out[0]);", "out[0] = expit(-out[0]);"]
        return 2, ["raw(x, out);", *lines]


WRITERS = {
    "CompactForestRegressor": _ForestRegressor,
    "CompactForestClassifier": _ForestClassifier,
    "CompactScoreForestRegressor": _ScoreRegressor,
    "CompactScoreForestClassifier": _ScoreClassifier,
}
