"""How many examples each property has seen, and of which classes."""

import functools
import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Record:
    """What one property has seen so far."""

    examples: int = 0
    classes: Counter = field(default_factory=Counter)
    seconds: float = 0.0


RECORDS: dict[str, Record] = {}


def counted(test):
    """Count the examples of a property that returns what it has checked.

    It returns one estimator or a tuple of them; an example that is rejected or fails
    does not count.
    """
    record = RECORDS[test.__name__] = Record()
    inner = test.hypothesis.inner_test

    @functools.wraps(inner)
    def checked(*arguments, **named):
        started = time.process_time()
        try:
            subjects = inner(*arguments, **named)
        finally:
            record.seconds += time.process_time() - started
        record.examples += 1
        subjects = subjects if isinstance(subjects, tuple) else (subjects,)
        record.classes.update({type(subject).__name__ for subject in subjects})

    test.hypothesis.inner_test = checked
    return test
