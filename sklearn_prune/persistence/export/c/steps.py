"""Steps of pipelines in C: the operations of their numpy forms, in the same order.

Steps that treat each number by itself share a loop. Columns are selected where they are
read. A column of texts is read as codes: the positions of its texts in a published table.
"""

from dataclasses import dataclass, replace

import numpy as np

from sklearn_prune.persistence.export.c.categories import Categories, as_python, key_of
from sklearn_prune.persistence.export.c.text import number
from sklearn_prune.persistence.export.c.writer import Stage, each

WIDE, SINGLE = np.dtype(np.float64), np.dtype(np.float32)
_CATEGORY = """
/* 0 for an unknown category, 1 for a missing one, or 2 + its position; without
   `known`, v is the position */
static uint32_t category_{real}({real} v, {const} {real} *known, uint32_t n)
{{
    uint32_t low = 0, high = n;
    if (v != v) return 1;
    if (!known) return v >= 0 && v < ({real})n ? 2 + (uint32_t)v : 0;
    while (low < high) {{
        const uint32_t middle = (low + high) / 2;
        if (known[middle] < v) low = middle + 1;
        else high = middle;
    }}
    return low < n && known[low] == v ? 2 + low : 0;
}}
"""


def place_of(program, name, columns):
    """Where a column stands, as a function of a counter; adds a table if it takes one."""
    if columns is None or not len(columns):
        return lambda counter: counter
    first = int(columns[0])
    if np.array_equal(columns, np.arange(first, first + len(columns))):
        return lambda counter: f"{first} + {counter}" if first else counter
    program.table(name, np.asarray(columns))
    return lambda counter: f"{name}[{counter}]"


@dataclass(frozen=True)
class Rows:
    """What is known of rows between steps.

    Attributes
    ----------
    dtype : dtype
        What numpy computes them in.
    width : int
        Number of columns.
    origins : ndarray of int
        The input column whose values a column holds, or -1.
    columns : ndarray of int, or None
        Where the columns stand in the array of C; None is from its start.
    sparse : bool
        Whether numpy has a sparse matrix.
    """

    dtype: np.dtype
    width: int
    origins: np.ndarray
    columns: np.ndarray | None = None
    sparse: bool = False

    def take(self, positions):
        """Some columns, which are selected where they are read."""
        positions = np.asarray(positions, dtype=np.intp)
        places = positions if self.columns is None else self.columns[positions]
        if len(places) == self.width and np.array_equal(places, np.arange(len(places))):
            places = None if self.columns is None else places
        return replace(
            self, width=len(positions), origins=self.origins[positions], columns=places
        )


@dataclass
class _Step:
    """One function of C; `write` gives its statements for types of `x` and `z`."""

    width: int
    dtype: np.dtype
    write: object


@dataclass
class Map:
    """A loop over columns: statements that change `v`, the number of column `k`."""

    width: int
    dtype: np.dtype
    columns: np.ndarray | None
    computed: np.dtype
    lines: list
    owner: object

    def write(self, reads, gives):
        place = self.owner.place(self.columns, "k")
        if not self.lines:
            return each(self.width, [f"z[k] = x[{place}];"])
        kind = stored_type(self.computed)
        return each(self.width, [f"{kind} v = x[{place}];", *self.lines, "z[k] = v;"])


class Steps:
    """Writes fitted steps, in their numpy forms.

    Parameters
    ----------
    program : Program
        What tables are added to.
    writers : dict of str to function
        What writes a step, by the name of its class.
    categories : dict of int to Categories, or None
        The input columns that are read as codes. None collects them.
    """

    def __init__(self, program, writers, categories=None):
        self.program = program
        self.writers = writers
        self.collects = categories is None
        self.categories = {} if categories is None else categories
        self.fills = {}
        self.parts, self.n_tables = [], 0

    def rows(self, width):
        """Rows as they come."""
        dtype = SINGLE if self.program.precision == "float" else WIDE
        return Rows(dtype, width, np.arange(width))

    def chain(self, steps, rows):
        """Rows after named steps, one after the other."""
        for name, step in steps:
            if step is None or isinstance(step, str) or getattr(step, "func", step) is None:
                continue
            rows = self.step(name, step, rows)
        return rows

    def step(self, name, step, rows):
        """Rows after one step."""
        names = [cls.__name__ for cls in type(step).__mro__]
        write = next((self.writers[own] for own in names if own in self.writers), None)
        if write is None or type(step).__module__.partition(".")[0] != "sklearn_prune":
            self.refuse(name, step)
        self.name = name
        return write(self, step, rows)

    def refuse(self, name, step, reason=None):
        """Raise TypeError: there is no C that says the same."""
        kind = type(step).__name__.removeprefix("Compact")
        text = "Vectorizer" in kind or "Tfidf" in kind
        remedy = (
            "Compute the columns of texts outside, and export the steps behind it."
            if text
            else "Use save() or to_onnx() instead."
        )
        reason = f", {reason}" if reason else ""
        raise TypeError(
            "to_c writes scalers, imputers, encoders, selections, projections and "
            f"functions of numpy in front of a model. Got step {name!r}: {kind}{reason}. "
            f"{remedy}"
        )

    def table(self, stem, values, dtype=None):
        """Add a table, of floats if there is a dtype; its name."""
        self.n_tables += 1
        name = f"{stem}_{self.n_tables}"
        self.program.table(name, np.ravel(values), dtype and stored_type(dtype))
        return name

    def place(self, columns, counter):
        """Where a column of the rows stands in `x`, by the name of a counter."""
        self.n_tables += 1
        return place_of(self.program, f"column_{self.n_tables}", columns)(counter)

    def map(self, rows, lines, *, computed=None, given=None, origins=None):
        """Rows after statements that change `v`, the number of column `k`.

        `computed` is the type of `v`, `given` what numpy has the result in.
        """
        computed = floating(rows.dtype) if computed is None else computed
        given = computed if given is None else given
        last = self.parts[-1] if self.parts else None
        if (
            isinstance(last, Map)
            and rows.columns is None
            and last.computed == computed
            and (last.dtype == computed or last.dtype.kind in "biu")
        ):
            last.lines += lines
            last.dtype = given
        else:
            made = Map(rows.width, given, rows.columns, computed, list(lines), self)
            self.parts.append(made)
        origins = np.full(rows.width, -1) if origins is None else origins
        return Rows(given, rows.width, origins, None, rows.sparse)

    def general(self, width, dtype, write, *, sparse=False, origins=None):
        """Rows after statements of their own."""
        self.parts.append(_Step(width, dtype, write))
        origins = np.full(width, -1) if origins is None else origins
        return Rows(dtype, width, origins, None, sparse)

    def apart(self, name, step, rows, weight=None):
        """The parts of one step of several that read the same rows, and its rows."""
        outside, self.parts = self.parts, []
        if getattr(step, "func", step) is not None:
            rows = self.step(name, step, rows)
        if weight is not None:
            computed = floating(rows.dtype)
            factor = number(weight, stored_type(computed))
            rows = self.map(rows, [f"v *= {factor};"], computed=computed)
        parts, self.parts = self.parts, outside
        return parts, rows

    def stages(self, parts, reads, gives):
        """Parts as stages whose last result has a type of C."""
        kinds = [*(stored_type(part.dtype) for part in parts[:-1]), *[gives] * bool(parts)]
        found = []
        for part, kind in zip(parts, kinds, strict=True):
            lines = part.write(reads, kind)
            found.append(Stage(part.width, reads, kind, lines))
            reads = kind
        return found

    def finished(self, rows, writer):
        """All parts as stages in front of a writer, whose columns are set."""
        writer.columns = rows.columns
        return self.stages(self.parts, stored_type(self.rows(0).dtype), writer.reads)

    def category(self, values, computed, origin, own_code):
        """Tables for the categories of a column.

        Parameters
        ----------
        values : sequence
            Categories.
        computed : dtype
            The type of `v`.
        origin : int
            The input column, or -1.
        own_code : list
            What each category stands for, others last.

        Returns
        -------
        known : ndarray or None
            Sorted values that are looked up; None where `v` is a code.
        answers : list
            What an unknown, a missing, and each known value stands for.
        """
        values = [as_python(value) for value in values]
        place = {key_of(value): at for at, value in enumerate(values)}
        other = own_code[-1]
        missing = place.get("nan", place.get("none"))
        missing = other if missing is None else own_code[missing]
        plain = [value for value in values if key_of(value) not in ("nan", "none")]
        if any(isinstance(value, str) for value in plain):
            if origin < 0:
                return None, None
            texts = self.categories.setdefault(int(origin), Categories())
            if self.collects:
                texts.add(values)
            answers = [other, missing]
            for value in texts.known:
                at = place.get(key_of(value))
                answers.append(other if at is None else own_code[at])
            for name in ("none",) * texts.none + ("nan",) * texts.nan:
                answers.append(own_code[place[name]] if name in place else other)
            return None, answers
        with np.errstate(over="ignore"):
            numbers = {float(computed.type(value)): value for value in plain}
        exact = sorted(own for own, value in numbers.items() if own == value)
        answers = [own_code[place[key_of(numbers[own])]] for own in exact]
        return np.array(exact), [other, missing, *answers]

    def looked_up(self, step, rows, columns, own_codes, computed):
        """Expression of the answer for the category of `v` in column `k`, an index.

        It is a place in the list of all answers, which is given too.
        """
        known, answers, sizes = [], [], []
        for values, origin, own in zip(columns, rows.origins, own_codes, strict=True):
            numbers, found = self.category(values, computed, origin, own)
            if found is None:
                self.refuse(self.name, step, "of texts that another step has made")
            known.append(numbers)
            answers.append(found)
            sizes.append(len(found) - 2)
        kind = stored_type(computed)
        const = f"{self.program.name.upper()}_CONST"
        self.program.once(f"category_{kind}", _CATEGORY.format(real=kind, const=const))
        size, first = sizes[0], "0"
        if len(sizes) > 1:
            size = f"{self.table('size', sizes)}[k]"
            starts = np.cumsum([0] + [len(own) for own in answers])[:-1]
            first = f"{self.table('answers', starts)}[k]"
        table = "0"
        if any(own is not None for own in known):
            lengths = [0 if own is None else len(own) for own in known]
            values = np.concatenate([own for own in known if own is not None])
            table = self.table("known", values, computed)
            if len(sizes) > 1:
                starts = np.cumsum([0, *lengths])[:-1]
                table = f"{table} + {self.table('start', starts)}[k]"
                coded = np.array([own is None for own in known])
                if coded.any():
                    table = f"{self.table('coded', coded)}[k] ? 0 : {table}"
        index = f"category_{kind}(v, {table}, {size})"
        index = index if first == "0" else f"{first} + {index}"
        return index, [each for own in answers for each in own]

    def code_of(self, values, origin, computed):
        """Statements that put the position of a category in the place of `v`, or NAN."""
        values = [as_python(value) for value in values]
        codes = [*map(float, range(len(values))), np.nan]
        known, answers = self.category(values, computed, origin, codes)
        answers[1] = np.nan  # a missing value is none of the categories
        kind = stored_type(computed)
        const = f"{self.program.name.upper()}_CONST"
        self.program.once(f"category_{kind}", _CATEGORY.format(real=kind, const=const))
        size = len(answers) - 2
        table = "0" if known is None else self.table("known", known, computed)
        index = f"const uint32_t b = category_{kind}(v, {table}, {size});"
        value = f"({kind})b - 2"
        if answers[2:] != codes[:size]:
            value = f"{self.table('code', answers, computed)}[b]"
        return [index, f"v = b < 2 ? NAN : {value};"]

    def reads_codes(self, values, origin):
        """A model reads codes itself, from arrays; frames have the values."""
        values = [as_python(value) for value in values]
        own = self.categories.setdefault(int(origin), Categories())
        if self.collects and not own.known:
            own.known, own.unknown, own.arrays = values, np.nan, False
        if own.known[: len(values)] != values:
            raise TypeError(
                "A column of categories must have one order of them. Got another one in "
                f"the model than in a step in front of it, of column {origin}. Fit the "
                "encoder with categories=."
            )


def stored_type(dtype):
    """The type of C in which numbers of a dtype are stored between steps."""
    return "float" if np.dtype(dtype) == SINGLE else "double"


def floating(dtype):
    """What scalers compute rows of a dtype in."""
    return dtype if dtype == SINGLE else WIDE
