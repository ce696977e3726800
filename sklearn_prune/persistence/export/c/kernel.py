"""Kernel machines in C: sums of kernels with stored points."""

import numpy as np

from sklearn_prune.persistence.export.c.writer import Writer
from sklearn_prune.predictors import dense, is_sparse

# What is added up over the columns, and the kernel value of the sum.
_KERNELS = {
    "rbf": ("d * d", "{exp}(-sum * {gamma})"),
    "laplacian": ("d < 0 ? -d : d", "{exp}(-sum * {gamma})"),
    "sigmoid": ("v * p", "{tanh}(sum * {gamma} + {coef0})"),
    "poly": ("v * p", "{pow}(sum * {gamma} + {coef0}, {degree})"),
}


class _Expansion(Writer):
    """`raw` gives the sums of the predictor, offsets included."""

    def prepare(self):
        compact = self.compact
        kernel = compact.kernel_
        if compact.points_ is not None and kernel.name not in _KERNELS:
            self.refuse(f"kernel={kernel.name!r}")
        if kernel.name == "poly" and self.program.precision == "float":
            self.refuse(
                'kernel="poly" with precision="float", whose sums lose too many digits',
                'Write precision="double".',
            )
        self.reads = self.program.real(np.float64)
        self.score = self.program.real(compact.precision_)
        self.n_raw = len(compact.offsets_)

    def write(self, name):
        program, compact, reads = self.program, self.compact, self.reads
        n_raw = self.n_raw
        coefficients = np.asarray(dense(compact.coefficients_)).astype(np.float64)
        width, at = compact.n_features_in_, "i"
        if self.columns is not None and not np.array_equal(self.columns, np.arange(width)):
            program.table("column", self.columns)
            at = "column[i]"
        value = f"x[{at}]"
        if compact.center_ is not None:
            program.table("center", compact.center_, reads)
            value += " - center[i]"
        program.table("offset", compact.offsets_, reads)
        points, n_points, lines = compact.points_, width, []
        if points is None:
            lines = [f"const {reads} value = x[{'column[j]' if at != 'i' else 'j'}];"]
        else:
            points = points.toarray() if is_sparse(points) else np.asarray(dense(points))
            n_points = len(points)
            kind = "float" if points.dtype == np.float32 or reads == "float" else None
            program.table("point", points, kind)
            term, result = _KERNELS[compact.kernel_.name]
            lines = [
                f"{reads} sum = 0, value;",
                f"for (i = 0; i < {width}u; i++) {{",
                f"    const {reads} p = point[{width}u * j + i], v = {value};",
                *([f"    const {reads} d = v - p;"] if "d" in term else []),
                f"    sum += {term};",
                "}",
                f"value = {self._result(result, width)};",
            ]
        program.table("coefficient", coefficients, reads)
        declared = "uint32_t i, j, k;" if points is not None else "uint32_t j, k;"
        body = "\n        ".join(lines)
        program.add(f"""
static void {name}(const {reads} *x, {self.score} *out)
{{
    {reads} total[{n_raw}];
    {declared}
    for (k = 0; k < {n_raw}u; k++) total[k] = offset[k];
    for (j = 0; j < {n_points}u; j++) {{
        {body}
        for (k = 0; k < {n_raw}u; k++) total[k] += value * coefficient[{n_raw}u * j + k];
    }}
    for (k = 0; k < {n_raw}u; k++) out[k] = ({self.score})total[k];
}}
""")

    def _result(self, text, width):
        kernel = self.compact.kernel_
        gamma = 1.0 / width if kernel.gamma is None else kernel.gamma
        suffix = "f" * (self.reads == "float")
        self.program.needs_math = True
        names = {name: name + suffix for name in ("exp", "tanh", "pow")}
        numbers = {"gamma": gamma, "coef0": kernel.coef0, "degree": kernel.degree}
        numbers = {
            name: f"({self.reads}){float(value)!r}" for name, value in numbers.items()
        }
        return text.format(**names, **numbers)


class _Regressor(_Expansion):
    def numbers(self):
        return self.n_raw, ["raw(x, out);"]


class _Scores(_Expansion):
    def label(self):
        self.program.use("largest", self.score)
        return ["raw(x, out);", f"return largest(out, {self.n_raw});"]

    def scores(self):
        if self.compact.shape_ != "ovr":
            return None
        return self.n_raw, ["raw(x, out);"]

    def probabilities(self):
        if self.compact.scale_ is None:
            return None
        self.program.use("softmax", self.score)
        scale = self.constant(self.compact.scale_)
        return self.n_raw, [
            "raw(x, out);",
            f"for (k = 0; k < {self.n_raw}; k++) out[k] *= {scale};",
            f"softmax(out, {self.n_raw});",
        ]


class _TwoClasses(_Expansion):
    def prepare(self):
        super().prepare()
        if len(self.compact.classes_) > 2:
            self.refuse("votes between pairs of classes")

    def label(self):
        return ["raw(x, out);", "return out[0] <= 0;"]

    def scores(self):
        return 1, ["raw(x, out);", "out[0] = -out[0];"]


WRITERS = {
    "CompactSVR": _Regressor,
    "CompactKernelClassifier": _Scores,
    "CompactSVC": _TwoClasses,
}
