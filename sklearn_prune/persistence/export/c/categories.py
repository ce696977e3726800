"""Categories of input columns that C reads as codes."""

from dataclasses import dataclass, field

import numpy as np

from sklearn_prune.predictors import is_missing


@dataclass
class Categories:
    """An input column whose values are categories that are read as codes.

    Attributes
    ----------
    known : list
        Values; the code of a value is its position.
    none, nan : bool
        Whether None and NaN are categories; their codes are behind those of the values.
        C takes NAN for NaN, or for None where NaN is no category.
    missing : tuple or None
        What an imputer takes for missing: kind and value of a SimpleImputer.
    arrays : bool
        Whether arrays hold values; if not, they hold codes.
    unknown : float
        The code of other values.
    """

    known: list = field(default_factory=list)
    none: bool = False
    nan: bool = False
    missing: tuple | None = None
    arrays: bool = True
    unknown: float = -1.0

    def add(self, values):
        """Add the values that are new."""
        for value in values:
            if value is None:
                self.none = True
            elif value != value:
                self.nan = True
            elif value not in self.known:
                self.known.append(value)

    def codes(self, values):
        """The codes of values, NaN where they are missing."""
        codes = {value: float(at) for at, value in enumerate(self.known)}
        last = len(self.known) + self.none
        nan = float(last) if self.nan else self.unknown
        nan = nan if self.missing is not None or self.none else np.nan
        found = []
        for value in values:
            if self.missing is not None and self._is_filled(value):
                found.append(np.nan)
            elif value is None:
                found.append(last - 1.0 if self.none else self.unknown)
            elif isinstance(value, float | np.floating) and value != value:
                found.append(nan)
            else:
                found.append(codes.get(value, self.unknown))
        return np.array(found)

    def _is_filled(self, value):
        kind, own = self.missing
        if kind == "value":
            return bool(value == own) if not is_missing(value) else False
        if kind == "na":
            return is_missing(value)
        if kind == "none":
            return value is None
        return isinstance(value, float) and value != value


def as_python(value):
    """A value of numpy as one of Python."""
    return value.item() if isinstance(value, np.generic) else value


def key_of(value):
    """What stands for a category in a dict, in which NaN is equal to NaN."""
    if value is None:
        return "none"
    return "nan" if value != value else (value,)
