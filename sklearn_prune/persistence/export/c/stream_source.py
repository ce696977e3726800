"""The C source of trees that are stored as one stream of bytes."""

from textwrap import indent, wrap

from sklearn_prune.persistence.export.c.text import c_type, number

_WALK = """\
while (next != end) {{
    unsigned c = *next++, rest = 0;

    while (c < {n_inner}) {{
{read}\
        if ({goes})
            rest++;
        else
            next = behind(next, 1);
        c = *next++;
    }}
{add}
    next = behind(next, rest);
}}
"""
_WALK_BY_LENGTHS = """\
while (next != end) {{
    const uint8_t *at = next + {skip};
    unsigned c = next[{length_bytes}];

    next = at + {next_length};
    while (c < {n_inner}) {{
{read}\
        unsigned left = *at++, length = left < {n_inner} ? {left_length} : 0;

        if ({goes}) {{
            c = left;
        }} else {{
            at += length;
            c = *at++;
        }}
    }}
{add}
}}
"""
_PAGE = """\
if (c >= {single})
    c = {single} + ((c - {single}) << 8 | *{at}++);
"""
_BEHIND = """\
/* what follows n nodes with all that is below them */
static const uint8_t *behind(const uint8_t *at, unsigned n)
{{
    while (n)
        n += *at++ < {n_inner} ? 1 : -1;
    return at;
}}

"""
_BEHIND_PAGES = """\
/* what follows n nodes with all that is below them */
static const uint8_t *behind(const uint8_t *at, unsigned n)
{{
    while (n) {{
        const unsigned c = *at++;

        n += c < {n_inner} ? 1 : -1;
        at += c >= {n_single} && c < {n_inner};
    }}
    return at;
}}

"""
_SET = """\
static int in_set({real} value, unsigned i)
{{
    unsigned at = trees.set_start[i], n = trees.set_start[i + 1] - at - 2;

    if (value == value)
        at += value > -1 && value < ({real})n ? 2 + (unsigned)value : 1;
    return !(trees.set_bits[at >> 3] >> (at & 7) & 1);
}}

"""
_SUM = """\
static {kind} leaf_sum({parameters})
{{
    {kind} sum = {start};
    const uint8_t *next = {first}, *const end = {last};

{walk}
    return sum;
}}
"""
_SUMS = """\
static void leaf_sums({parameters}, {kind} *out)
{{
    unsigned i;
    const uint8_t *next = {first}, *const end = {last};

    for (i = 0; i < {width}; i++)
        out[i] = {start};
{walk}
}}
"""
_CONSTANT = """\
static {kind} leaf_sum({parameters})
{{
    (void)x;
    return {start};
}}
"""
_CONSTANTS = """\
static void leaf_sums({parameters}, {kind} *out)
{{
    unsigned i;

    (void)x;
    for (i = 0; i < {width}; i++)
        out[i] = {start};
}}
"""


def raw_source(stream, name, storage, after):
    """The tables and functions of a `StreamTrees`.

    Parameters
    ----------
    stream : StreamTrees
    name : str
        Of the function that writes the raw scores of a row.
    storage : str
        The qualifier of tables.
    after : str
        Statements at its end.
    """
    kind, n_outputs = c_type(stream.start.dtype), len(stream.start)
    score, value = kind, "{}"
    if stream.scale is not None:
        score, value = "float", f"(float){{}} * {number(stream.scale, 'float')}"
    lines = []
    if stream.width > 1 and stream.scale is None:
        lines.append("leaf_sums(x, out);")
    elif n_outputs == 1:
        lines.append(f"out[0] = {value.format('leaf_sum(x)')};")
    else:
        found = "leaf_sum(x, k)"
        if stream.width > 1:
            lines += [f"int32_t sums[{n_outputs}];", "", "leaf_sums(x, sums);"]
            found = "sums[k]"
        lines += [f"for (k = 0; k < {n_outputs}; k++)"]
        lines += [f"    out[k] = {value.format(found)};"]
    body = indent("\n".join(lines), 4 * " ") + "\n" + after
    counter = "    uint32_t k;\n" if "k++" in body else ""
    head = f"static void {name}(const {c_type(stream.dtype)} *x, {score} *out)"
    raw = f"\n{head}\n{{\n{counter}{body}}}\n"
    return f"{_tables(stream, storage)}\n{_sums(stream)}{raw}"


def _tables(stream, storage):
    """The definition of the tables; empty if there are none."""
    if not stream.tables:
        return ""
    lines, values = [f"static {storage} struct {{"], []
    for key, table in stream.tables.items():
        kind = c_type(table.dtype)
        lines.append(f"    {kind} {key}[{len(table)}];")
        values += wrap(f"{{{', '.join(number(value, kind) for value in table)}}},", 92)
    return "\n".join([*lines, "} trees = {", *values, "};", ""])


def _sums(stream):
    """The function that adds up the leaves of a row.

    ``leaf_sum(x)`` or, where several outputs have trees of their own, ``leaf_sum(x,
    output)``; where each leaf adds to all outputs, ``leaf_sums(x, out)``.
    """
    kind = c_type(stream.start.dtype)
    several = stream.n_groups > 1
    names = {"kind": kind, "width": stream.width}
    names["parameters"] = f"const {c_type(stream.dtype)} *x{', unsigned output' * several}"
    names["first"], names["last"] = "trees.stream", "trees.stream + sizeof trees.stream"
    names["start"] = number(stream.start[0], kind)
    if several:
        names["start"] = "trees.start[output]"
        names["first"] = "trees.stream + trees.end[output]"
        names["last"] = "trees.stream + trees.end[output + 1]"
    add = f"sum += trees.value[c - {stream.n_inner}];"
    if stream.width > 1:
        names["start"] = "trees.start[i]"
        value = f"trees.value[(c - {stream.n_inner}) * {stream.width} + i]"
        add = f"for (i = 0; i < {stream.width}; i++)\n    out[i] += {value};"
    if not len(stream.stream):
        return (_CONSTANT if stream.width == 1 else _CONSTANTS).format(**names)
    functions = ""
    if len(stream.set_bits):
        functions += _SET.format(real=c_type(stream.dtype))
    if not stream.length_bytes:
        behind = _BEHIND_PAGES if stream.n_pages else _BEHIND
        functions += behind.format(n_inner=stream.n_inner, n_single=stream.n_single)
    source = _SUMS if stream.width > 1 else _SUM
    walk = indent(_walk(stream, indent(add, 4 * " ")), 4 * " ").rstrip()
    return functions + source.format(**names, walk=walk)


def _walk(stream, add):
    """The loop over all trees."""
    read, goes = _test(stream)
    if stream.n_pages:
        at = "at" if stream.length_bytes else "next"
        read = _PAGE.format(single=stream.n_single, at=at) + read
    parts = {
        "n_inner": stream.n_inner,
        "read": indent(read, 8 * " ") + "\n" * (len(read) > 0),
        "goes": goes,
        "add": add,
    }
    if not stream.length_bytes:
        return _WALK.format(**parts)
    one = stream.length_bytes == 1
    both = "(at += 2, at[-2] | (unsigned)at[-1] << 8)"
    return _WALK_BY_LENGTHS.format(
        **parts,
        skip=stream.length_bytes + 1,
        length_bytes=stream.length_bytes,
        next_length="next[0]" if one else "(next[0] | (unsigned)next[1] << 8)",
        left_length="*at++" if one else both,
    )


def _test(stream):
    """The statements before the test of the pair `c`, and the test of the left child."""
    feature, threshold, read = "trees.feature[c]", "trees.threshold[c]", ""
    value = f"x[{feature}]"
    if stream.missing == "pair":
        bits = 8 * stream.tables["feature"].itemsize - 1
        read = f"const unsigned feature = {feature};\n"
        value = f"x[feature & {(1 << bits) - 1}]"
    if stream.missing in ("pair", "zero"):
        read += f"{c_type(stream.dtype)} value = {value};\n"
        value = "value"
    goes = f"{value} <= {threshold}"
    if stream.missing == "zero":
        read += "if (value != value)\n    value = 0;\n"
    elif stream.missing == "left":
        goes = f"!({value} > {threshold})"
    elif stream.missing == "pair":
        goes = f"value != value ? (int)(feature >> {bits}) : {goes}"
    n_numbers = len(stream.thresholds)
    if not n_numbers:
        goes = f"in_set({value}, c)"
    elif len(stream.set_bits):
        goes = f"c >= {n_numbers} ? in_set({value}, c - {n_numbers}) : {goes}"
    return read, goes
