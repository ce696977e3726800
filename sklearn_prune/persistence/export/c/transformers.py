"""Fitted transformers in C: the operations of their numpy forms, in the same order."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from sklearn_prune.persistence.export.c.steps import (
    SINGLE,
    WIDE,
    Map,
    floating,
    stored_type,
)
from sklearn_prune.persistence.export.c.text import number
from sklearn_prune.persistence.export.c.writer import calls, each, sum_of

# The mean of interpolations from both ends, as numpy's `interp` computes them.
_RANK = """
static double rank_of(double v, {const} double *quantile, {const} double *reference, int n)
{{
    int low = 0, high = n;
    double up, down;
    if (v == quantile[0]) return 0;
    if (v == quantile[n - 1]) return 1;
    if (v < quantile[0]) return reference[0];
    if (v > quantile[n - 1]) return reference[n - 1];
    while (low < high) {{ /* to the first that is not below */
        const int middle = (low + high) / 2;
        if (quantile[middle] < v) low = middle + 1;
        else high = middle;
    }}
    down = -reference[low];
    if (quantile[low] != v)
        down += (reference[low] - reference[low - 1])
            / (quantile[low] - quantile[low - 1]) * (quantile[low] - v);
    for (high = low; high < n && quantile[high] <= v;) high++; /* the first above */
    high--;
    up = reference[high];
    if (quantile[high] != v)
        up += (reference[high + 1] - reference[high])
            / (quantile[high + 1] - quantile[high]) * (v - quantile[high]);
    return 0.5 * (up - down);
}}
"""
_BOX_COX = """
static double box_cox(double v, double power)
{
    const double l = log(v);
    if (fabs(power) < 1e-19) return l;
    if (power * l < 709.78) return expm1(power * l) / power;
    return (power > 0 ? 1 : -1) * exp(l * power - log(fabs(power))) - 1 / power;
}
"""
_YEO_JOHNSON = """
static double yeo_johnson_{real}({real} v, double power)
{{
    const double l = {log1p}(v < 0 ? -v : v), tiny = 2.220446049250313e-16;
    if (v != v) return v;
    if (v >= 0) return fabs(power) < tiny ? l : expm1(power * l) / power;
    power = 2 - power;
    return fabs(power) > tiny ? -expm1(power * l) / power : -l;
}}
"""
# Functions of numpy: of C's library under their name, or as an expression.
_OF_LIBM = {
    **{name: name for name in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p")},
    **{name: name for name in ("sqrt", "cbrt", "floor", "ceil", "trunc", "rint")},
    **{name: name for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{
        f"{head}{name}": f"a{name}"
        for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")
        for head in ("a", "arc")
    },
    **dict.fromkeys(("absolute", "abs", "fabs"), "fabs"),
}
_EXPRESSIONS = {
    "negative": "-v",
    "positive": "v",
    "conjugate": "v",
    "conj": "v",
    "square": "v * v",
    "reciprocal": "1 / v",
    "sign": "v > 0 ? 1 : v < 0 ? -1 : v",
}
_ASKING = {
    "isnan": "v != v",
    "isinf": "v == v && v - v != v - v",
    "isfinite": "v - v == v - v",
    "logical_not": "v == 0",
}
_DEGREES = {
    "degrees": "180.0 / pi",
    "rad2deg": "180.0 / pi",
    "radians": "pi / 180.0",
    "deg2rad": "pi / 180.0",
}


def _standard(steps, step, rows):
    computed = floating(rows.dtype)
    lines = []
    if rows.sparse:
        if step.scale_ is not None:
            lines.append(f"v *= {steps.table('factor', 1 / step.scale_, WIDE)}[k];")
        return steps.map(rows, lines)
    for sign, values, stem in (("-", step.mean_, "mean"), ("/", step.scale_, "scale")):
        if values is not None:
            table = steps.table(stem, values.astype(computed), computed)
            lines.append(f"v {sign}= {table}[k];")
    return steps.map(rows, lines)


def _robust(steps, step, rows):
    lines = []
    if rows.sparse:
        if step.scale_ is not None:
            lines.append(f"v *= {steps.table('factor', 1.0 / step.scale_, WIDE)}[k];")
        return steps.map(rows, lines)
    for sign, values, stem in (("-", step.center_, "center"), ("/", step.scale_, "scale")):
        if values is not None:
            lines.append(f"v {sign}= {steps.table(stem, values, values.dtype)}[k];")
    return steps.map(rows, lines)


def _min_max(steps, step, rows):
    kind = stored_type(floating(rows.dtype))
    lines = [
        f"v *= {steps.table('scale', step.scale_, step.scale_.dtype)}[k];",
        f"v += {steps.table('min', step.min_, step.min_.dtype)}[k];",
    ]
    if step.clip:
        low, high = (number(each, kind) for each in step.feature_range)
        lines.append(f"v = v < {low} ? {low} : v > {high} ? {high} : v;")
    return steps.map(rows, lines)


def _max_abs(steps, step, rows):
    scale = step.scale_
    lines = [f"v /= {steps.table('scale', scale, scale.dtype)}[k];"]
    if rows.sparse:
        lines = [f"v *= {steps.table('factor', 1.0 / scale, scale.dtype)}[k];"]
    if step.clip:
        lines.append("v = v < -1 ? -1 : v > 1 ? 1 : v;")
    return steps.map(rows, lines)


def _binarized(steps, step, rows):
    threshold = number(step.threshold, stored_type(floating(rows.dtype)))
    return steps.map(rows, [f"v = v > {threshold};"], given=rows.dtype)


def _normalized(steps, step, rows):
    computed, norm, width = floating(rows.dtype), step.norm, rows.width
    kind = stored_type(computed)
    wide = "double" if rows.sparse and norm != "max" else kind
    steps.program.needs_math = True
    absolute, root = ("fabsf", "sqrtf") if kind == "float" else ("fabs", "sqrt")
    root = "sqrt" if wide == "double" else root

    def write(reads, gives):
        value = f"x[{steps.place(rows.columns, 'k')}]"
        if norm == "l1" and not rows.sparse:  # in the order of numpy's sums
            total = steps.program.once(f"total_{kind}", sum_of(f"total_{kind}", kind))
            lines = [
                f"{kind} size[{max(1, width)}], norm;",
                *each(width, [f"size[k] = {absolute}({value});"]),
                f"norm = {total}(size, {width});",
            ]
        elif norm == "max":
            lines = [
                f"{kind} norm = 0;",
                *each(
                    width, [f"if ({absolute}({value}) > norm) norm = {absolute}({value});"]
                ),
            ]
        else:
            one = f"{absolute}(v)" if norm == "l1" else f"({kind})(v * v)"
            lines = [
                f"{wide} norm = 0;",
                *each(width, [f"const {kind} v = {value};", f"norm += {one};"]),
            ]
            if norm == "l2":
                lines.append(f"norm = {root}(norm);")
        least = number(10 * np.finfo(computed).eps, kind)
        zero = "norm == 0" if rows.sparse else f"norm < {least}"
        lines.append(f"if ({zero}) norm = 1;")
        return [*lines, *each(width, [f"z[k] = ({kind})({value} / norm);"])]

    return steps.general(width, computed, write, sparse=rows.sparse)


def _imputed(steps, step, rows):
    objects = np.dtype(step.fit_dtype).kind == "O"
    computed = given = WIDE if objects else floating(rows.dtype)
    if step.strategy in ("most_frequent", "constant") and not objects:
        given = rows.dtype
    if objects:
        for origin in rows.origins[rows.origins >= 0].tolist():
            steps.fills[origin] = (step.missing_kind, step.missing_values)
    mark = step.missing_values if step.missing_kind == "value" else None
    texts = np.array([origin in steps.categories for origin in rows.origins.tolist()], bool)
    by_mark = isinstance(mark, int | float) and not texts.all()

    def is_missing_in(value, counter, positions):
        if not by_mark:
            return f"{value} != {value}"
        found = f"{value} == {number(mark, 'double')}"
        if texts.any():
            is_text = steps.table("is_text", texts[positions])
            found = f"({is_text}[{counter}] ? {value} != {value} : {found})"
        return found

    kept = step._kept()
    kept = np.arange(rows.width) if kept is None else kept
    statistics = step.statistics_.astype(step.fill_dtype, copy=False)[kept]
    fill = [
        _code_in(steps, origin, value)
        for origin, value in zip(rows.origins[kept], statistics.tolist(), strict=True)
    ]
    origins = rows.origins if objects else np.full(rows.width, -1)
    marked = step.indicated
    if marked is None:
        rows = rows.take(kept)
        table = steps.table("fill", fill, computed) + "[k]"
        missing = is_missing_in("v", "k", kept)
        lines = [f"if ({missing}) v = {table};"]
        return steps.map(rows, lines, computed=computed, given=given, origins=origins[kept])
    given = np.result_type(given, bool)

    def write(reads, gives):
        value = steps.place(rows.take(kept).columns, "k")
        told = steps.place(rows.take(marked).columns, "k")
        lines = each(
            len(kept),
            [
                f"const {reads} v = x[{value}];",
                f"z[k] = {is_missing_in('v', 'k', kept)} ? "
                f"{steps.table('fill', fill, computed)}[k] : v;",
            ],
        )
        missing = is_missing_in("v", "k", marked)
        return [
            *lines,
            *each(
                len(marked),
                [f"const {reads} v = x[{told}];", f"z[{len(kept)} + k] = {missing};"],
            ),
        ]

    origins = np.append(origins[kept], np.full(len(marked), -1))
    width = len(kept) + len(marked)
    return steps.general(width, given, write, sparse=rows.sparse, origins=origins)


def _code_in(steps, origin, value):
    """A statistic as a number: the code of a text, -1 if it is none of the categories."""
    known = steps.categories.get(int(origin))
    if known is not None:
        return float(known.codes([value])[0])
    if isinstance(value, str):
        return -1.0
    return np.nan if value is None else float(value)


def _checked_dtype(steps, step):
    dtype = np.dtype(step.dtype)
    if dtype == np.float16:
        steps.refuse(steps.name, step, "with dtype=float16")
    return dtype


def _one_hot(steps, step, rows):
    dtype, computed = _checked_dtype(steps, step), floating(rows.dtype)
    _, places, width = step._made()
    own = [(place + 1).tolist() for place in places]
    index, answers = steps.looked_up(step, rows, step.categories_, own, computed)
    table = steps.table("place", answers)

    def write(reads, gives):
        place = steps.place(rows.columns, "k")
        value = f"const {stored_type(computed)} v = x[{place}];"
        return [
            *each(width, ["z[k] = 0;"]),
            *each(
                rows.width,
                [
                    value,
                    f"const uint32_t place = {table}[{index}];",
                    "if (place) z[place - 1] = 1;",
                ],
            ),
        ]

    return steps.general(width, dtype, write, sparse=step.sparse_output)


def _ordinal(steps, step, rows):
    dtype = _checked_dtype(steps, step)
    looked, given = floating(rows.dtype), floating(dtype)
    values = [own.astype(np.float64).tolist() for own in step._made()[1]]
    index, answers = steps.looked_up(step, rows, step.categories_, values, looked)
    table = steps.table("value", *_shortest(answers, given))
    if looked == SINGLE and given == WIDE:
        # Looked up in single precision, given in double.
        rows = steps.map(rows, [], computed=SINGLE, given=SINGLE)

        def write(reads, gives):
            lines = ["const float v = x[k];", f"z[k] = {table}[{index}];"]
            return each(rows.width, lines)

        return steps.general(rows.width, dtype, write)
    return steps.map(rows, [f"v = {table}[{index}];"], computed=looked, given=dtype)


def _shortest(values, dtype):
    """Values as integers where that changes none, and the type of a table of others."""
    values = np.array(values, dtype=np.float64)
    if np.all(values == np.rint(values)) and np.abs(values).max(initial=0) < 1 << 15:
        return values.astype(np.int64), None
    return values, dtype


def _binned(steps, step, rows):
    computed = floating(rows.dtype) if step.dtype is None else np.dtype(step.dtype)
    inner = [_up(edges[1:-1], computed) for edges in step.bin_edges_]
    sizes = [len(own) for own in inner]
    edge = steps.table("edge", np.concatenate([*inner, np.zeros(0)]), computed)
    size = steps.table("size", sizes)
    start = steps.table("start", np.cumsum([0, *sizes])[:-1])
    lines = [
        "uint32_t b = 0;",
        f"while (b < {size}[k] && {edge}[{start}[k] + b] <= v) b++;",
    ]
    if step.encode == "ordinal":
        lines = ["{", *lines, f"v = ({stored_type(computed)})b;", "}"]
        return steps.map(rows, lines, computed=computed)
    first = steps.table("first", np.cumsum([0, *step.n_bins_.tolist()])[:-1])
    width = int(step.n_bins_.sum())

    def write(reads, gives):
        value = f"const {stored_type(computed)} v = x[{steps.place(rows.columns, 'k')}];"
        return [
            *each(width, ["z[k] = 0;"]),
            *each(rows.width, [value, *lines, f"z[{first}[k] + b] = 1;"]),
        ]

    return steps.general(width, computed, write, sparse=step.encode == "onehot")


def _up(edges, dtype):
    """Edges in a precision, none below what it was."""
    if dtype == WIDE:
        return edges
    narrow = edges.astype(np.float32)
    below = narrow.astype(np.float64) < edges
    return np.where(below, np.nextafter(narrow, np.float32(np.inf)), narrow)


def _projected(steps, step, rows):
    right = np.asarray(step.components_)
    dtype = np.result_type(floating(rows.dtype), right.dtype)
    kind, width = stored_type(dtype), len(right)
    table = steps.table("component", right, right.dtype)
    shift = scale = None
    if hasattr(step, "mean_"):
        _, shift, scale = step._made()
        shift = steps.table("shift", np.ravel(shift), np.asarray(shift).dtype)
        scale = scale if scale is None else steps.table("scale", scale, scale.dtype)
    after = [f"sum -= {shift}[j];"] if shift else []
    after += [f"sum /= {scale}[j];"] if scale else []

    def write(reads, gives):
        place = steps.place(rows.columns, "k")
        return [
            "int j;",
            f"for (j = 0; j < {width}; j++) {{",
            f"    {kind} sum = 0;",
            f"    for (k = 0; k < {rows.width}; k++)",
            f"        sum += ({kind})x[{place}] * {table}[{rows.width}L * j + k];",
            *(f"    {line}" for line in after),
            "    z[j] = sum;",
            "}",
        ]

    return steps.general(width, dtype, write)


def _products(steps, step, rows):
    dtype, kind = floating(rows.dtype), stored_type(floating(rows.dtype))
    parts, bias = step._made(), int(step.include_bias)
    step_ = 1 if rows.sparse else -1
    factors = np.concatenate(
        [np.zeros(0, int), *(own[:, ::step_].ravel() for own in parts)]
    )
    table = steps.table("factor", factors)
    ends = np.cumsum([bias, *map(len, parts)]).tolist()

    def write(reads, gives):
        place = steps.place(rows.columns, f"{table}[at++]")
        lines = ["uint32_t at = 0;", *(["z[0] = 1;"] if bias else [])]
        for (first, last), own in zip(pairwise(ends), parts, strict=True):
            lines += [
                f"for (k = {first}; k < {last}; k++) {{",
                f"    {kind} v = x[{place}];",
                *(["    int j;"] if own.shape[1] > 1 else []),
                *(
                    [f"    for (j = 1; j < {own.shape[1]}; j++) v *= x[{place}];"]
                    if own.shape[1] > 1
                    else []
                ),
                "    z[k] = v;",
                "}",
            ]
        return lines

    return steps.general(ends[-1], dtype, write, sparse=rows.sparse)


def _powered(steps, step, rows):
    computed = floating(rows.dtype)
    steps.program.needs_math = True
    power = steps.table("power", step.lambdas_, WIDE)
    if step.method == "box-cox":
        name = steps.program.once("box_cox", _BOX_COX)
    else:
        kind = stored_type(computed)
        log1p = "log1pf" if kind == "float" else "log1p"
        text = _YEO_JOHNSON.format(real=kind, log1p=log1p)
        name = steps.program.once(f"yeo_johnson_{kind}", text)
    rows = steps.map(rows, [f"v = {name}(v, {power}[k]);"])
    return rows if step.scaler is None else _standard(steps, step.scaler, rows)


def _ranked(steps, step, rows):
    const = f"{steps.program.name.upper()}_CONST"
    name = steps.program.once("rank_of", _RANK.format(const=const))
    quantile = steps.table("quantile", step.quantiles_.T, WIDE)
    reference = steps.table("reference", step.references_, WIDE)
    n = len(step.references_)
    there = "v == v && v != 0" if rows.sparse else "v == v"
    return steps.map(
        rows, [f"if ({there}) v = {name}(v, {quantile} + {n} * k, {reference}, {n});"]
    )


def _function(steps, step, rows):
    computed, name = floating(rows.dtype), step.function
    if name in _OF_LIBM:
        steps.program.needs_math = True
        call = _OF_LIBM[name] + ("f" if computed == SINGLE else "")
        return steps.map(rows, [f"v = {call}(v);"])
    if name in _EXPRESSIONS:
        return steps.map(rows, [f"v = {_EXPRESSIONS[name]};"])
    if name in _ASKING:
        return steps.map(rows, [f"v = {_ASKING[name]};"], given=np.dtype(bool))
    if name in _DEGREES:
        top, _, bottom = _DEGREES[name].partition(" / ")
        values = {"pi": np.pi, "180.0": 180.0}
        factor = computed.type(values[top]) / computed.type(values[bottom])
        return steps.map(rows, [f"v *= {number(factor, stored_type(computed))};"])
    if name is None:
        return rows
    steps.refuse(steps.name, step, f"of {name!r}")


def _selected(steps, step, rows):
    return rows.take(step.columns)


def _inner_steps(steps, step, rows):
    return steps.chain(zip(step.names, step.members, strict=True), rows)


def _beside(steps, step, rows):
    reads = getattr(step, "columns", [np.arange(rows.width)] * len(step.members))
    found = [
        steps.apart(name, member, rows.take(columns), weight)
        for name, member, columns, weight in zip(
            step.names, step.members, reads, step.weights, strict=True
        )
    ]
    if not found:
        return rows.take([])
    sparse = getattr(step, "sparse_output_", any(own.sparse for _, own in found))
    dtype = np.result_type(*(own.dtype for _, own in found))
    origins = np.concatenate([own.origins for _, own in found])
    if not any(parts for parts, _ in found):
        places = [
            np.arange(own.width) if own.columns is None else own.columns for _, own in found
        ]
        return replace(
            rows, width=len(origins), origins=origins, columns=np.concatenate(places)
        )
    ends = np.cumsum([0, *(own.width for _, own in found)]).tolist()

    def write(source, gives):
        lines = []
        for first, (parts, own) in zip(ends, found, strict=False):
            if own.columns is not None or not parts:
                parts = [
                    *parts,
                    Map(own.width, own.dtype, own.columns, own.dtype, [], steps),
                ]
            stages = steps.stages(parts, source, gives)
            if not own.width:
                continue
            steps.n_tables += 1
            name = f"part_{steps.n_tables}"
            body, _ = calls(steps.program, stages, name, target="z")
            if len(stages) > 1:
                steps.program.function(
                    f"static void {name}(const {source} *x, {gives} *z)", body
                )
                body = [f"{name}(x, z);"]
            lines += [line.replace("(x, z)", f"(x, z + {first})") for line in body]
        return lines or ["(void)x, (void)z;"]

    return steps.general(ends[-1], dtype, write, sparse=sparse, origins=origins)


WRITERS = {
    "CompactStandardScaler": _standard,
    "CompactRobustScaler": _robust,
    "CompactMinMaxScaler": _min_max,
    "CompactMaxAbsScaler": _max_abs,
    "CompactBinarizer": _binarized,
    "CompactNormalizer": _normalized,
    "CompactSimpleImputer": _imputed,
    "CompactOneHotEncoder": _one_hot,
    "CompactOrdinalEncoder": _ordinal,
    "CompactKBinsDiscretizer": _binned,
    "CompactPCA": _projected,
    "CompactTruncatedSVD": _projected,
    "CompactPolynomialFeatures": _products,
    "CompactPowerTransformer": _powered,
    "CompactQuantileTransformer": _ranked,
    "CompactFunction": _function,
    "CompactIdentity": lambda steps, step, rows: rows,
    "ColumnSelector": _selected,
    "CompactSteps": _inner_steps,
    "CompactColumnTransformer": _beside,
    "CompactFeatureUnion": _beside,
}
