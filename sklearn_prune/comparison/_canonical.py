"""The one way to write a description as JSON, and its hash."""

import hashlib
import json


def canonical_json(thing):
    """Write `thing` as JSON in one way only: sorted keys, no spaces, ASCII.

    Parameters
    ----------
    thing : None, bool, int, float, str, list or dict
        What JSON has; `describe` makes it from anything.

    Returns
    -------
    str
        The text.

    Raises
    ------
    ValueError
        If it holds NaN or infinity, which `describe` writes as texts.
    TypeError
        If it holds what JSON has not.

    Examples
    --------
    >>> from sklearn_prune.comparison._canonical import canonical_json
    >>> canonical_json({"seed": 0, "folds": [1, None]})
    '{"folds":[1,null],"seed":0}'
    """
    return json.dumps(thing, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hash_json(thing):
    """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(thing).encode()).hexdigest()


def short_hash(thing):
    """The first 16 digits of `hash_json`."""
    return hash_json(thing)[:16]


def class_name(cls):
    """Module and qualified name of a class."""
    return name_in_module(cls, ".")


def name_in_module(value, separator=":"):
    """Module and qualified name of a function or class."""
    module = getattr(value, "__module__", None) or "builtins"
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "?")
    # what runs as a script has another name in the processes that it starts
    module = "__main__" if module == "__mp_main__" else module
    return f"{module}{separator}{name}"
