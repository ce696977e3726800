"""Every criterion beside random units of equal number."""

from families_data import load
from families_measure import Section, Target, curve_table, points, pruned
from sklearn.base import clone
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_prune.sample_selection import HardnessSelector
from sklearn_prune.weight_pruning import (
    ContributionCriterion,
    CoverageCriterion,
    MagnitudeCriterion,
    PenaltyCriterion,
    PermutationCriterion,
    RandomCriterion,
    SecondOrderCriterion,
    TaylorCriterion,
)

KEEP = 0.2
N_DRAWS = 3  # of the random units
MAGNITUDE = {
    "magnitude l1": MagnitudeCriterion("l1"),
    "magnitude l2": MagnitudeCriterion("l2"),
}
PENALTY = {"penalty l1": PenaltyCriterion("l1"), "penalty l2": PenaltyCriterion("l2")}
SECOND_ORDER = {"second order": SecondOrderCriterion()}
LINEAR = {**MAGNITUDE, **PENALTY, "Taylor": TaylorCriterion(), **SECOND_ORDER}
PERMUTATION = {"permutation": PermutationCriterion()}
COVERAGE = {
    f"coverage {order}": CoverageCriterion(order)
    for order in ("medoid", "herding", "k_center")
}
CONTRIBUTION = {
    f"contribution {measure}": ContributionCriterion(measure)
    for measure in ("reduced_error", "complementarity", "margin")
}
LOGISTIC = LogisticRegression(max_iter=1000)
FOREST = RandomForestClassifier(100, n_jobs=1)
CELLS = {  # unit, model, criteria, data sets
    "coefficient": ("coefficient", LOGISTIC, LINEAR, ("splice", "spambase")),
    "feature (linear)": (
        "feature",
        LOGISTIC,
        LINEAR | PERMUTATION,
        ("spambase", "satimage"),
    ),
    "feature (naive Bayes)": (
        "feature",
        GaussianNB(),
        PERMUTATION,
        ("spambase", "satimage"),
    ),
    "feature (tree)": (
        "feature",
        DecisionTreeClassifier(),
        PERMUTATION,
        ("spambase", "satimage"),
    ),
    "support vector": (
        "support_vector",
        SVC(),
        MAGNITUDE | PENALTY | SECOND_ORDER | COVERAGE,
        ("satimage", "phoneme"),
    ),
    "node": ("node", FOREST, MAGNITUDE | SECOND_ORDER, ("magic", "phoneme")),
    "leaf": (
        "leaf",
        FOREST,
        MAGNITUDE | PENALTY | SECOND_ORDER,
        ("magic", "phoneme"),
    ),
    "tree": (
        "tree",
        FOREST,
        CONTRIBUTION | {"penalty l1": PenaltyCriterion("l1")},
        ("magic", "satimage"),
    ),
    "iteration": (
        "iteration",
        HistGradientBoostingClassifier(),
        CONTRIBUTION | {"penalty l1": PenaltyCriterion("l1")},
        ("magic", "spambase"),
    ),
    "prototype": (
        "prototype",
        KNeighborsClassifier(n_jobs=1),
        COVERAGE | MAGNITUDE | {"HardnessSelector": HardnessSelector()},
        ("satimage", "phoneme"),
    ),
}


def measure(name, seed):
    """All criteria of one unit on both data sets."""
    unit, model, criteria, sets = CELLS[name]
    for data in sets:
        part = load(data, seed, max_train=3000, scale=data != "splice")
        if "random_state" in model.get_params():
            model.set_params(random_state=seed)
        score = points(clone(model).fit(part.X, part.y), part)

        def gain(criterion, draw=0, part=part, score=score):
            how = {"criterion": criterion, "unit": unit, "keep": KEEP}
            return points(pruned(model, part, seed + 1000 * draw, **how), part) - score

        random = [gain(RandomCriterion(), draw) for draw in range(N_DRAWS)]
        random = sum(random) / len(random)
        yield f"random@{data}", "points", random
        for label, criterion in criteria.items():
            try:
                reached = gain(criterion)
            except Exception as error:
                print(
                    f"{unit}, {label}, {data}: {type(error).__name__}: {error}", flush=True
                )
                yield f"{label}@{data}", "over random", float("nan")
                continue
            yield f"{label}@{data}", "points", reached
            yield f"{label}@{data}", "over random", reached - random


def targets(frame):
    gains = frame[frame["quantity"] == "over random"].copy()
    gains[["criterion", "set"]] = gains["variant"].str.split("@", n=1, expand=True)
    means = gains.groupby(["data", "criterion", "set"], sort=False)["value"].mean()
    cells = means.groupby(["data", "criterion"], sort=False)
    for (unit, criterion), found in cells:
        reached = ", ".join(f"{key[2]} {value:+.2f}" for key, value in found.items())
        text = f"{unit}, {criterion}: above random on both sets"
        yield Target(text, reached.replace("+nan", "failed"), bool((found > 0).all()))


def tables(frame):
    yield f"Points against the full model, keep={KEEP:g}", curve_table(frame, "points")
    yield "Points over random units", curve_table(frame, "over random")


SECTIONS = {
    "criteria": Section(
        "Criteria",
        f"`keep={KEEP:g}` of the units, refitted, beside RandomCriterion at the same size "
        "(mean of three draws). At most 3,000 training rows, standardised (splice: "
        "categories in columns of their own).",
        tuple(CELLS),
        measure,
        targets,
        tables,
    ),
}
