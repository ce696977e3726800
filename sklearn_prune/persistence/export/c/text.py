"""Numbers, texts and arrays as C99 source: all that a model says goes through here."""

import re

import numpy as np

_TYPES = {
    "f4": "float",
    "f8": "double",
    **{f"i{size}": f"int{8 * size}_t" for size in (1, 2, 4, 8)},
    **{f"u{size}": f"uint{8 * size}_t" for size in (1, 2, 4, 8)},
}
SIZES = {kind: int(code[1]) for code, kind in _TYPES.items()}  # bytes
_LIMIT = {"int64_t": 1 << 63, "uint64_t": 1 << 64}
_WIDTH = 92
_KEYWORDS = """
    auto break case char const continue default do double else enum extern float for
    goto if inline int long register restrict return short signed sizeof static struct
    switch typedef union unsigned void volatile while alignas alignof and and_eq asm
    bitand bitor bool catch char8_t char16_t char32_t class co_await co_return co_yield
    compl concept consteval constexpr constinit const_cast decltype delete dynamic_cast
    explicit export false friend main mutable namespace new noexcept not not_eq nullptr
    operator or or_eq private protected public reinterpret_cast requires static_assert
    static_cast template this thread_local throw true try typeid typename typeof
    typeof_unqual using virtual wchar_t xor xor_eq
"""


def is_identifier(name):
    """Whether C and C++ take a name, and leave it to the user."""
    fits = re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,30}", name) is not None
    return fits and name not in _KEYWORDS.split() and "__" not in name


def c_type(dtype):
    """The type of C of a type of numpy: a float, or an integer of fixed width."""
    return _TYPES[np.dtype(dtype).str[1:]]


def number(value, kind):
    """A constant of a type of C, exact."""
    if kind not in ("float", "double"):
        value = int(value)
        if value == -(1 << 63):
            return "(-INT64_C(9223372036854775807) - 1)"
        if kind in _LIMIT:
            macro = "INT64_C" if kind == "int64_t" else "UINT64_C"
            return f"{'-' * (value < 0)}{macro}({abs(value)})"
        if value == -(1 << 31):
            return "(-2147483647 - 1)"
        return f"{value}{'u' * (value >= 1 << 31)}"
    value = np.float32(value) if kind == "float" else np.float64(value)
    if np.isnan(value):
        return "NAN"
    if np.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    text = np.format_float_scientific(value, unique=True, trim="0", exp_digits=1)
    plain = np.format_float_positional(value, unique=True, trim="0")
    text = plain if len(plain) <= len(text) else text.replace("e+", "e")
    return text + "f" * (kind == "float")


def quoted(text):
    """A text as a literal of C, in UTF-8; raise TypeError if it holds a NUL."""
    if "\0" in text:
        raise TypeError(
            f"to_c writes texts without NUL, which ends a text in C. Got {text!r}. Fit the "
            "model on other labels."
        )
    plain = set(range(32, 127)) - set(b'"\\?')
    marks = (
        chr(b) if b in plain else f"\\{b:03o}"
        for b in text.encode("utf-8", "surrogatepass")
    )
    return f'"{"".join(marks)}"'


def smallest(values):
    """Integers in the smallest type that holds them."""
    low, high = int(np.min(values, initial=0)), int(np.max(values, initial=0))
    kind = np.result_type(np.min_scalar_type(high), np.min_scalar_type(low))
    return np.asarray(values).astype(kind)


def array(name, values, kind=None, *, storage):
    """The definition of an array of numbers or texts."""
    if kind is None:
        kind = "char *const" if values.dtype.kind in "UO" else c_type(values.dtype)
    if kind == "char *const":
        items = [quoted(str(value)) for value in values]
    else:
        items = [number(value, kind) for value in np.ravel(values)]
    lines = [""]
    for item in items or ["0"]:
        if len(lines[-1]) + len(item) > _WIDTH:
            lines.append("")
        lines[-1] += f"{item},"
    return (
        f"{storage} {kind} {name}[{max(1, len(items))}] = {{\n"
        + "\n".join(lines)
        + "\n};\n"
    )
