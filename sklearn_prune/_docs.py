"""Standard entries of docstrings, each written once."""

import inspect
import re
from textwrap import indent

_MARKER = re.compile(r"^( *)\{([a-zA-Z_*][\w*,\s]*)\}$", re.MULTILINE)


def entries(text):
    """Read the entries of numpydoc sections into a dict from name to entry."""
    found = re.split(r"\n(?=\S)", inspect.cleandoc(text))
    return {entry.partition(" : ")[0]: entry for entry in found}


def fill(*standards):
    """Make a decorator that writes standard entries into docstrings.

    A line ``{metric, n_jobs}`` becomes the entries of these names, from the dicts in
    `standards`; later ones win. In a class it fills the docstrings of the methods too.
    """
    known = {name: entry for standard in standards for name, entry in standard.items()}

    def expand(match):
        names = re.split(r",\s*", match[2])
        return indent("\n".join(known[name] for name in names), match[1])

    def decorate(thing):
        members = vars(thing).values() if isinstance(thing, type) else ()
        for part in (thing, *members):
            # The functions behind `available_if` and classmethods.
            part = getattr(part, "fn", getattr(part, "__func__", part))
            doc = getattr(part, "__doc__", None)
            if isinstance(doc, str) and (filled := _MARKER.sub(expand, doc)) != doc:
                part.__doc__ = filled
        return thing

    return decorate
