"""How values that a manifest holds are written in sentences."""

MAX_SHOWN = 60  # characters of a value


def show(value):
    """Write a described value as short as a sentence needs it."""
    try:
        text = _text(value)
    except (TypeError, ValueError):  # no description, but of the form of one
        text = "another value"
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def _text(value):
    if isinstance(value, list):
        return f"[{_listed(value)}]"
    if not isinstance(value, dict):
        return repr(value)
    match value:
        case {"float": text}:
            return str(text)
        case {"tuple": [entry]}:
            return f"({_text(entry)},)"
        case {"tuple": entries}:
            return f"({_listed(entries)})"
        case {"set": entries}:
            return f"{{{_listed(entries)}}}"
        case {"dict": pairs}:
            inside = ", ".join(f"{_text(key)}: {_text(entry)}" for key, entry in pairs)
            return f"{{{inside}}}"
        case {"class": name, "value": text}:
            return f"{_last(name)}({text})"
        case {"class": name, "name": member}:
            return f"{_last(name)}.{member}"
        case {"class": name}:
            return f"{_last(name)}(...)"
        case {"function": name} | {"type": name}:
            return _last(name)
        case {"array": dtype, "shape": shape} | {"tensor": dtype, "shape": shape}:
            return f"an array of {dtype} of shape {_text({'tuple': shape})}"
    if len(value) == 1 and all(map(is_plain, value.values())):
        [(kind, entry)] = value.items()
        return f"{kind}({_text(entry)})"
    return f"{{{', '.join(f'{key}: ...' for key in value)}}}"


def _listed(entries):
    return ", ".join(map(_text, entries))


def _last(name):
    return str(name).rpartition(":")[2].rpartition(".")[2]


def is_plain(value):
    """Whether a value holds no others."""
    return not isinstance(value, (dict, list))


def in_decimals(one, other):
    """Two numbers in as few digits as show that they differ, and at least four."""
    for digits in range(4, 18):
        texts = f"{one:.{digits}g}", f"{other:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts
