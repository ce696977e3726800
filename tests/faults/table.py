"""The table of faults as a page: a row for each fault, a column for each kind."""

from collections import Counter

from tests.faults.subjects import KINDS

HEADS = {
    "subset": "SampleSubsetClassifier, -Regressor",
    "transformer": "SampleSubsetTransformer",
    "sampler": "SampleSubsetSampler",
    "pruned": "PrunedClassifier, PrunedRegressor",
    "selector": "selectors",
    "comparison": "compare_pruning",
}
OPENING = """\
# What happens when something is wrong

Each of these faults ends in the right result, which the tests compare with what it has to
be, or in a `ValueError` or `TypeError` that names the argument, what came and what to do.
Errors that scikit-learn, an inner model or PyTorch raises pass through unchanged.
A fit that was refused leaves nothing that looks fitted. {n_subjects} estimators meet
{n_faults} faults; where those in one column differ, their number is in brackets and the
notes name them. [faults.csv](faults.csv) has every cell. `python -m tests.test_faults`
writes both files.

"""


def as_markdown(table, faults, subjects):
    """The page.

    Parameters
    ----------
    table : dict of int to dict of str to str
        Cells by number of the fault and name of the subject.
    faults : dict of int to Fault
        For their titles.
    subjects : list of Subject
        For their kinds.

    Returns
    -------
    str
        Markdown.
    """
    names = {kind: [s.name for s in subjects if s.kind == kind] for kind in KINDS}
    lines = ["| fault | " + " | ".join(HEADS[kind] for kind in KINDS) + " |"]
    lines.append("| --- " * (len(KINDS) + 1) + "|")
    notes = []
    for number, row in table.items():
        cells = [f"{number} {faults[number].title}"]
        for kind in KINDS:
            own = {name: row[name] for name in names[kind]}
            cells.append(_short(own))
            notes += _notes(number, own)
        lines.append("| " + " | ".join(cells) + " |")
    opening = OPENING.format(n_subjects=len(subjects), n_faults=len(table))
    return opening + "\n".join(lines) + "\n\n## Notes\n\n" + "\n".join(notes) + "\n"


def _short(cells):
    counts = Counter(cells.values())
    if len(counts) == 1:
        return next(iter(counts))
    words = Counter(map(_in_a_word, cells.values())).most_common()
    return words[0][0] if len(words) == 1 else ", ".join(f"{w} [{n}]" for w, n in words)


def _in_a_word(cell):
    """The answer without reasons and cases."""
    if cell.startswith("does not apply"):
        return "does not apply"
    found = [word for word in ("right", "refused") if word in cell]
    return " or ".join(found) + ", by case" * (len(found) > 1)


def _notes(number, cells):
    """A line for each answer in a column but its most frequent one."""
    (usual, _), *others = Counter(cells.values()).most_common()
    for cell, _ in others:
        named = ", ".join(f"`{name}`" for name, own in cells.items() if own == cell)
        yield f"- {number}, {cell} (most: {usual}): {named}"
