"""What writers of predictors share: the program that they add to, and links of scores."""

from dataclasses import dataclass

import numpy as np

from sklearn_prune.persistence.export.c.text import (
    SIZES,
    array,
    c_type,
    number,
    smallest,
)

# The order of numpy's sums over few numbers.
_SUM_OF = """
static {real} {name}(const {real} *z, int n)
{{
    {real} part[8], sum = 0;
    int k, j;
    if (n < 8) {{
        for (k = 0; k < n; k++) sum += z[k];
        return sum;
    }}
    if (n > 128) {{
        k = n / 2 - n / 2 % 8;
        return {name}(z, k) + {name}(z + k, n - k);
    }}
    for (j = 0; j < 8; j++) part[j] = z[j];
    for (k = 8; k < n - n % 8; k += 8)
        for (j = 0; j < 8; j++) part[j] += z[k + j];
    sum = ((part[0] + part[1]) + (part[2] + part[3]))
        + ((part[4] + part[5]) + (part[6] + part[7]));
    for (; k < n; k++) sum += z[k];
    return sum;
}}
"""
_FUNCTIONS = {
    "expit": """
static {real} expit({real} z)
{{
    return 1 / (1 + {exp}(-z));
}}
""",
    "softmax": """
static void softmax({real} *z, int n)
{{
    {real} top = z[0]{sums};
    int k;
    for (k = 1; k < n; k++)
        if (z[k] > top) top = z[k];
    for (k = 0; k < n; k++) {{
        z[k] = {exp}(z[k] - top);
        sum += z[k];
    }}
    for (k = 0; k < n; k++) z[k] /= {sum};
}}
""",
    "largest": """
static int largest(const {real} *z, int n)
{{
    int k, best = 0;
    for (k = 1; k < n; k++)
        if (z[best] == z[best] && !(z[k] <= z[best])) best = k;
    return best;
}}
""",
    "sum_of": _SUM_OF,
    "sums_to_one": """
static void sums_to_one({real} *z, int n)
{{
    const {real} sum = sum_of(z, n);
    int k;
    for (k = 0; k < n; k++) z[k] = sum > 0 ? z[k] / sum : ({real})1 / n;
}}
""",
}
_USES = {"expit": ("math",), "softmax": ("math",)}


class Program:
    """The source that writers add tables and functions to.

    Parameters
    ----------
    name : str
        What public names begin with.
    precision : {"double", "float"}
        The widest type of numbers.
    optimize : {"speed", "size"}
        What tables are laid out for.
    layout : {"auto", "arrays", "stream"}, default="arrays"
        How trees are laid out.
    leaf_bits : int, default=5
        Leaves of a stream have 2**leaf_bits values.
    """

    def __init__(self, name, precision, optimize, layout="arrays", leaf_bits=5):
        self.name = name
        self.precision = precision
        self.optimize = optimize
        self.layout = layout
        self.leaf_bits = leaf_bits
        self.n_bytes = 0  # of tables
        self.parts, self.used = [], {}
        self.notes, self.public = [], []
        self.once_added = set()
        self.needs_math = False

    def real(self, dtype):
        """The type of C in which numbers of a type of numpy are computed."""
        return "float" if self.precision == "float" else c_type(dtype)

    def table(self, name, values, kind=None):
        """Add an array; integers take the smallest type that holds them."""
        values = np.asarray(values)
        if kind is None and values.dtype.kind in "iub":
            values = smallest(values)
        kind = c_type(values.dtype) if kind is None and values.dtype.kind in "iuf" else kind
        self.n_bytes += values.size * SIZES.get(kind, 8)
        storage = f"static {self.name.upper()}_CONST"
        self.parts.append(array(name, values, kind, storage=storage))

    def add(self, text):
        """Add functions as they are."""
        self.parts.append(text)

    def function(self, head, lines):
        """Add a function of some statements."""
        self.add(f"\n{head}\n{{\n{body_of(lines)}}}\n")

    def once(self, name, text):
        """Add a function as it is, unless it is there; its name."""
        if name not in self.once_added:
            self.once_added.add(name)
            self.add(text)
        return name

    def publish(self, name, values, kind=None):
        """Add an array that the header declares."""
        self.public.append(array(f"{self.name}_{name}", values, kind, storage="const"))

    def use(self, name, real):
        """Add one of the common functions, once; its name."""
        if self.used.setdefault(name, real) != real:
            raise AssertionError(f"{name} is used for float and for double")
        return name

    def text(self):
        """Tables and functions, the common functions first."""
        common = []
        for name in (name for name in _FUNCTIONS if name in self.used):
            real = self.used[name]
            self.needs_math |= name in _USES
            sums = ", sum = 0" if real == "double" else ";\n    double sum = 0"
            common.append(
                _FUNCTIONS[name].format(
                    name=name,
                    real=real,
                    exp="exp" if real == "double" else "expf",
                    sums=sums,
                    sum="sum" if real == "double" else "(float)sum",
                )
            )
        return "".join([*common, *self.parts])


@dataclass
class Stage:
    """Statements that make an array `z` of a row `x`.

    `reads` and `gives` are their types, and `n_out` is the length of `z`.
    """

    n_out: int
    reads: str
    gives: str
    lines: list


class Writer:
    """Writes what one predictor computes.

    `write` adds a function of the program that makes `n_raw` numbers `out` of type `score`
    of a row `x` of type `reads`. The other methods say how these numbers, which
    ``raw(x, out)`` gives, become an answer. They are None where the predictor has no such
    answer, else the length of the answer and statements that write it to `out`.
    """

    n_raw = 1
    reads = score = "double"

    def __init__(self, program, compact, columns=None):
        self.program = program
        self.compact = compact
        self.columns = columns  # of the rows, that the predictor reads; None is all
        self.prepare()

    def prepare(self):
        """Set what depends on the predictor; raise TypeError where it has no C."""

    def prepared(self, steps, rows):
        """Rows after what is done to them before `write` reads them."""
        return rows

    def write(self, name):
        """Add the function and its tables to the program, under a name."""
        raise NotImplementedError

    @property
    def classes(self):
        """Labels of a classifier, a list of them for several outputs, or None."""
        return getattr(self.compact, "classes_", None)

    def label(self):
        """Statements that return the position of the label; `out` has room for all."""
        return None

    def labels(self):
        """Of several outputs: their number, and statements that write positions."""
        return None

    def numbers(self):
        """What `predict` gives, of a regressor."""
        return None

    def probabilities(self):
        """What `predict_proba` gives."""
        return None

    def scores(self):
        """What `decision_function` gives."""
        return None

    def answering(self, model):
        """The predictor that answers as the C does; `model` holds that of the writer."""
        return model

    def constant(self, value):
        """A number of the type of scores."""
        return number(value, self.score)

    def function(self, name):
        """The function of math.h for the type of scores."""
        self.program.needs_math = True
        return name + "f" * (self.score == "float")

    def refuse(self, reason, remedy="Use save() or to_onnx() instead."):
        """Raise TypeError: there is no C that says the same."""
        raise TypeError(
            f"to_c cannot write {reason}. Got {type(self.compact).__name__}. {remedy}"
        )


def sum_of(name, real):
    """The function that adds numbers in numpy's order, under a name of its own."""
    return _SUM_OF.format(name=name, real=real)


def body_of(lines):
    """Statements of a function, with the counter that they use."""
    head = ["int k;"] if any("k++" in line for line in lines) else []
    return "".join(f"    {line}\n" for line in [*head, *lines])


def each(n, lines):
    """Statements for k = 0, ..., n - 1, with their own names."""
    if n == 0:
        return []
    if len(lines) == 1:
        return [f"for (k = 0; k < {n}; k++) {lines[0]}"]
    return [f"for (k = 0; k < {n}; k++) {{", *(f"    {line}" for line in lines), "}"]


def calls(program, stages, name, target=None):
    """Statements that call stages one after the other, and where the result is.

    Stages read `x` and each other's results. The last result goes to `target`, or to an
    array: there are at most two of each type. Functions of the stages are added.
    """
    source, sizes, lines = "x", {}, []
    for place, stage in enumerate(stages):
        own = name if len(stages) == 1 else f"{name}_{place}"
        program.function(
            f"static void {own}(const {stage.reads} *x, {stage.gives} *z)", stage.lines
        )
        goal = target
        if target is None or place < len(stages) - 1:
            goal = f"{stage.gives}s_0"
            goal = f"{stage.gives}s_1" if goal == source else goal
            sizes[goal] = max(sizes.get(goal, 1), stage.n_out)
        lines.append(f"{own}({source}, {goal});")
        source = goal
    rooms = [f"{goal.partition('s_')[0]} {goal}[{size}];" for goal, size in sizes.items()]
    return [*rooms, *lines], source


def loop(n, lines):
    """Statements for k = 0, ..., n - 1."""
    if n == 1:
        return [line.replace("[k]", "[0]") for line in lines]
    return [f"for (k = 0; k < {n}; k++) {{", *(f"    {line}" for line in lines), "}"]
