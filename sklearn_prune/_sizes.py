"""What a fitted object takes: bytes of its arrays, bytes of its pickle."""

import pickle

import numpy as np

_ATOMS = (str, bytes, int, float, complex, bool, type(None), type)


def arrays_in(thing):
    """Yield every distinct array that is reachable from an object.

    Views count as the array that they are a view of, once.
    """
    seen, pending = set(), [thing]
    while pending:
        item = pending.pop()
        if isinstance(item, _ATOMS) or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, np.ndarray):
            if isinstance(item.base, np.ndarray):
                pending.append(item.base)
                continue
            yield item
            if item.dtype.kind == "O":
                pending.extend(item.flat)
        elif isinstance(item, dict):
            pending.extend(item.keys())
            pending.extend(item.values())
        elif isinstance(item, list | tuple | set | frozenset):
            pending.extend(item)
        else:
            pending.extend(vars(item).values() if hasattr(item, "__dict__") else ())
            for cls in type(item).__mro__:
                slots = vars(cls).get("__slots__", ())
                for name in (slots,) if isinstance(slots, str) else slots:
                    if hasattr(item, name):
                        pending.append(getattr(item, name))


def pickled_bytes(thing):
    """Length of the object's pickle (protocol 5), which is not held in memory."""
    counter = ByteCounter()
    pickle.Pickler(counter, protocol=5).dump(thing)
    return counter.total


class ByteCounter:
    """A file that counts what is written to it, and keeps nothing."""

    def __init__(self):
        self.total = 0

    def write(self, data):
        self.total += memoryview(data).nbytes
