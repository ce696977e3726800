import os
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from fake_comparison import FakeComparison, forest
from sklearn.datasets import load_iris
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import StratifiedKFold

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
pd = pytest.importorskip("pandas")
pytest.importorskip("jinja2")

from sklearn_prune import PrunedClassifier, SampleSubsetClassifier
from sklearn_prune.comparison import compare_pruning
from sklearn_prune.comparison.report import html as _html
from sklearn_prune.comparison.report import words
from sklearn_prune.comparison.report.html import report, to_html_fragment, write_report
from sklearn_prune.sample_selection import L2PenaltySelector

VOID = {"meta", "br", "img", "hr", "link", "input", "path", "use", "rect", "circle"}
MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"


class Reader(HTMLParser):
    """Collects ids, references, visible text and tags that are closed wrongly."""

    def __init__(self, page):
        super().__init__()
        self.open, self.wrong, self.ids, self.text, self.links = [], [], [], [], []
        self.tags = set()
        self.feed(page)
        self.close()
        self.wrong += self.open

    def handle_starttag(self, tag, attrs):
        self._read(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self._read(tag, attrs)

    def _read(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href", "data", "action"):
                self.links.append(value)
            self.links += re.findall(r"url\(([^)]*)\)", value or "")

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    @property
    def visible(self):
        return " ".join(" ".join(self.text).split())


HOSTILE = [
    "<script>alert('x')</script>",
    'a "quoted" & <b>bold</b> one',
    "größer als $x^2$ \N{CJK UNIFIED IDEOGRAPH-68EE}\N{CJK UNIFIED IDEOGRAPH-6797}",
    "\N{RIGHT-TO-LEFT OVERRIDE}desrever",
    "null\x00 and \u202e turned",
    "_hidden",
    '--> <!-- id="figure_1" url(#x)',
    "very long " * 60,
]


@pytest.fixture(scope="module")
def hostile():
    spec = {"<i>all</i> & more": (0.9, 1_000_000, 1.0, None)}
    for i, name in enumerate(HOSTILE):
        spec[name] = (0.9 - 0.003 * i, 500_000 - 50_000 * i, 0.5 - 0.05 * i, f"<{name}>")
    return FakeComparison(
        spec,
        scorer="<u>score</u>",
        warnings=["<b>careful</b>"],
        failures={HOSTILE[-1]: "ValueError: <x> & 'y'"},
    )


@pytest.fixture(scope="module")
def hostile_page(hostile):
    return report(hostile)


@pytest.fixture(scope="module", params=["features", "rows"])
def comparison(request):
    return forest(rows=request.param == "rows", controls=("random", "small"))


@pytest.fixture(scope="module")
def text(comparison):
    return Reader(report(comparison)).visible


def test_report_is_one_valid_file_without_a_network(comparison, tmp_path):
    path = write_report(comparison, tmp_path / "report.html")
    assert path == tmp_path / "report.html"
    page = path.read_text(encoding="utf-8")
    found = Reader(page)
    assert found.wrong == []
    assert len(found.ids) == len(set(found.ids)) > 20
    inside = {f"#{name}" for name in found.ids}
    assert [link for link in found.links if link.strip("'\"") not in inside] == []
    assert not found.tags & {"script", "link", "iframe", "img", "object"}
    assert "@import" not in page
    others = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert "http:" not in others
    assert "https:" not in others
    assert page.count("<svg") == 3


def test_user_text_is_shown_as_it_is(hostile_page):
    found = Reader(hostile_page)
    assert found.wrong == []
    assert len(found.ids) == len(set(found.ids))
    assert not found.tags & {"script", "b", "i", "u", "x"}
    text = found.visible
    for name in HOSTILE[:3]:
        assert name in text
    assert "\N{REPLACEMENT CHARACTER}desrever" in text
    assert "null\N{REPLACEMENT CHARACTER} and" in text
    assert "ValueError: <x> & 'y'" in text
    assert "<b>careful</b>" in text
    hostile_page.encode("utf-8")


def test_pictures_hold_texts_and_no_comment(hostile_page):
    svgs = re.findall(r"<svg.*?</svg>", hostile_page, re.DOTALL)
    assert len(svgs) == 3
    assert not any("<!--" in svg for svg in svgs)
    assert any("größer als $x^2$" in svg for svg in svgs)


def test_the_settings_of_the_user_do_not_matter(hostile, hostile_page):
    own = {"text.usetex": True, "font.size": 30, "svg.fonttype": "path"}
    with matplotlib.rc_context(own):
        assert report(hostile) == hostile_page
        assert matplotlib.rcParams["font.size"] == 30


def test_a_failure_leaves_the_old_file(hostile, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(_html, "report", lambda _: "new")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(hostile, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_verdict_comes_first_and_in_one_headline(comparison, text):
    verdicts = comparison.verdicts()
    row = verdicts.loc["forest, keep 0.1"]
    said = words.headline(comparison)
    difference, interval = words.difference_and_interval(row)
    rows = ", trains on 10 times fewer rows" if comparison.rows else ""
    assert said == (
        f"“forest, keep 0.1” is 24 times smaller{rows} and predicts 22 times faster than "
        "“forest, all”. Its accuracy is not worse by more than the margin 0.01 (difference "
        f"{difference}, 95 % interval {interval})."
    )
    assert text.index(said) < 200
    assert text.index(said) < text.index("All variants") < text.index("What was kept")


def test_no_variant_passes():
    comparison = forest(margin=0.0005)
    said = words.headline(comparison)
    assert said.startswith(
        "No variant met the margin 0.0005 (accuracy). The smallest margin these data could "
        "certify is 0.00"
    )
    verdicts = comparison.verdicts()
    tested = verdicts[verdicts["verdict"] != "not tested"]
    assert f"for “{tested['certifiable_margin'].idxmin()}”" in said
    margin = float(re.search(r"certify is ([\d.]+),", said)[1])
    smallest = tested["certifiable_margin"].min()
    assert smallest <= margin <= 1.1 * smallest


def test_one_fold_certifies_nothing():
    comparison = forest(n_splits=1)
    assert words.headline(comparison).endswith("These folds allow no test of a difference.")
    assert Reader(report(comparison)).wrong == []


def test_not_worse_but_not_smaller():
    spec = {"all": (0.9, 1000, 1.0, None), "big": (0.9, 2000, 0.4, "c")}
    assert words.headline(FakeComparison(spec)) == (
        "“big” met the margin 0.01 (accuracy). No such variant is smaller than “all”."
    )
    assert words.headline(FakeComparison(spec, rows=True)) == (
        "“big” met the margin 0.01 (accuracy). No such variant is smaller than “all”. "
        "“big” trains on 2.5 times fewer rows."
    )


class TwoScores(FakeComparison):
    """Passes by the first score; the second has a margin that nothing reaches."""

    def __init__(self, spec):
        super().__init__(spec)
        self.scorers = ("accuracy", "f1")
        self.margins = {"accuracy": 0.01, "f1": 1e-9}

    def frame(self):
        frame = super().frame()
        again = frame[frame["measure"] == "accuracy"].assign(measure="f1")
        return pd.concat([frame, again])

    def smallest_not_worse(self, cost="nbytes"):
        return self.baseline


def test_every_score_must_pass():
    spec = {"all": (0.9, 1000, 1.0, None), "half": (0.9, 500, 0.5, "c")}
    said = words.headline(TwoScores(spec))
    assert said == (
        "No variant met the margins of all scores (accuracy, f1). “half” met the margin of "
        "accuracy alone."
    )
    assert "f1, margin 1e-09" in Reader(report(TwoScores(spec))).visible


def test_all_numbers_of_a_variant_are_in_the_table(comparison, text):
    row = comparison.verdicts().loc["forest, keep 0.05"]
    line = text[text.index("forest, keep 0.05", text.index("All variants")) :]
    line = line[: line.index("svc, keep 0.5")]
    for expected in (
        f"{row['score']:.4f}",
        f"{row['score'] - 0.02:.4f}",
        *words.difference_and_interval(row),
        f"{row['p_not_worse']:.3f}",
        "undecided",
        f"margin ≥ {words.rounded_up(row['certifiable_margin'])}",
        "98 kB",
        f"53{TIMES} smaller",
        "12,250",
        f"53{TIMES} fewer",
        f"42{TIMES} faster",
    ):
        assert expected in line, expected


def test_verdicts_read_without_colours():
    page = report(forest(failures={"svc, keep 0.1": "boom"}))
    for sign, word in [
        ("✓", "not worse"),
        ("?", "undecided"),
        ("\N{EN DASH}", "not tested"),
        ("!", "failed"),
        ("★", "baseline"),
    ]:
        assert f'aria-hidden="true">{sign}</span> {word}' in page


def test_beaten_by_random_is_said():
    comparison = forest()
    frame = comparison.frame()
    row = (frame["role"] == "random") & (frame["measure"] == "accuracy")
    better = frame.assign(value=frame["value"] + 0.05 * row)
    comparison.frame = lambda: better
    text = Reader(report(comparison)).visible
    assert (
        "7 of 7 variants do not score higher in accuracy than a random choice of the same "
        "size: “forest, keep 0.5”, “forest, keep 0.2” and 5 others."
    ) in text


def test_what_was_kept(comparison, text):
    kept = comparison.kept("forest, keep 0.5")
    unit, n = kept["unit"][0], len(kept)
    always, never = (kept["frequency"] == 1).sum(), (kept["frequency"] == 0).sum()
    counts = f"{n:,} {always:,} {n - always - never:,} {never:,}"
    assert f"forest, keep 0.5 {unit} {counts}" in text
    assert f"0.71 ({unit}) 0.66 to 0.76" in text
    assert ("the 20 kept most often, of 64" in text) is (unit == "feature")
    assert ("Rows kept of each class" in text) is (unit == "row")
    assert ("50% 50 of 100" in text) is (unit == "row")


def test_how_to_read_tells_of_chains_only_where_there_are_some():
    many = Reader(report(forest())).visible
    assert "There are 2 chains" in many
    assert "97.5 %" in many
    spec = {"all": (0.9, 1000, 1.0, None), "half": (0.9, 500, 0.5, "c")}
    one = Reader(report(FakeComparison(spec))).visible
    assert "form a chain" not in one
    assert "chains" not in one


def test_how_to_reproduce(text):
    assert "ab" * 32 in text
    assert "numpy 2.4.6" in text
    assert "seed 0" in text


@pytest.mark.parametrize(
    ("measure", "value", "baseline", "said"),
    [
        ("nbytes", 100, 2400, "24 times smaller"),
        ("nbytes", 300, 200, "1.5 times larger"),
        ("predict_latency", 1e-3, 2.5e-2, "25 times faster"),
        ("fit_time", 123456.0, 1.0, "123,456 times slower"),
        ("n_params", 100, 101, ""),
        ("n_params", 0, 101, None),
        ("n_params", float("nan"), 101, None),
    ],
)
def test_times(measure, value, baseline, said):
    assert words.ratio_text(measure, value, baseline) == said


@pytest.mark.parametrize(
    ("difference", "low", "high", "texts"),
    [
        (-0.002, -0.0064, 0.0024, (f"{MINUS}0.0020", f"{MINUS}0.0064 to +0.0024")),
        (1e-17, -0.004, 0.004, ("0.0000", f"{MINUS}0.0040 to +0.0040")),
        (0, 0, 0, ("0.000", "0.000 to 0.000")),
        (-12.3, -1512.0, 1487.4, (f"{MINUS}12", f"{MINUS}1,512 to +1,487")),
        (0.01, -np.inf, np.inf, ("+0.010", None)),
        (np.nan, np.nan, np.nan, ("\N{EN DASH}", None)),
    ],
)
def test_difference_and_interval(difference, low, high, texts):
    row = {"difference": difference, "ci_low": low, "ci_high": high}
    assert words.difference_and_interval(row) == texts


def test_a_margin_is_rounded_up():
    assert words.rounded_up(0.0161) == "0.017"
    assert words.rounded_up(0.016) == "0.016"
    assert words.rounded_up(123.4) == "130"
    assert words.rounded_up(0.0) == "0"


def test_a_probability_is_never_certain():
    assert words.probability(1.0) == "> 0.999"
    assert words.probability(1e-9) == "< 0.001"
    assert words.probability(0.9512) == "0.951"
    assert words.probability(np.nan) == "\N{EN DASH}"


def test_fragment_is_short_and_scoped(hostile):
    fragment = to_html_fragment(hostile)
    found = Reader(fragment)
    assert found.wrong == []
    assert not found.tags & {"script", "svg", "b", "i", "u", "html", "body"}
    assert HOSTILE[0] in found.visible
    style = re.search(r"<style>(.*?)</style>", fragment, re.DOTALL)[1]
    rules = [rule.partition("{")[0] for rule in style.split("}") if rule.strip()]
    selectors = [part.strip() for rule in rules for part in rule.split(",")]
    assert all(part.startswith(".sklearn-prune-comparison") for part in selectors)
    assert len(to_html_fragment(forest())) < 10_000


@pytest.fixture(scope="module")
def real():
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = RidgeClassifier()
    estimators = {"all": model}
    for keep in (0.8, 0.5):
        rows = SampleSubsetClassifier(model, L2PenaltySelector(), keep=keep)
        estimators[f"rows {keep}"] = rows
    estimators["two features"] = PrunedClassifier(model, unit="feature", keep=0.5)
    cv = StratifiedKFold(4, shuffle=True, random_state=0)
    return compare_pruning(estimators, X, y, cv=cv, margin=0.05)


def test_a_real_comparison(real, tmp_path):
    page = real.to_html(tmp_path / "report.html").read_text(encoding="utf-8")
    found = Reader(page)
    assert found.wrong == []
    text = found.visible
    assert words.headline(real) in text
    assert "petal width (cm)" in text
    assert "Rows kept of each class" in text
    assert real.manifest["sha256"] in text
    for warning in real.warnings:
        assert warning in text
    assert words.headline(real) in Reader(real._repr_html_()).visible


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def console_of(page, folder):
    """Lines that a headless Chromium writes to its console while it opens a page."""
    run = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={folder / 'profile'}",
            "--enable-logging=stderr",
            "--v=0",
            f"--screenshot={folder / 'page.png'}",
            "--window-size=1100,2400",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=90,
    )
    assert (folder / "page.png").stat().st_size > 2000, run.stderr
    return [line for line in run.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_opens_in_chromium_without_a_word_on_the_console(hostile, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text("<!DOCTYPE html><script>console.error('seen')</script>")
    assert console_of(bad, tmp_path)  # or the next line could not fail
    page = write_report(hostile, tmp_path / "report.html")
    assert console_of(page, tmp_path) == []


SPELLED = [
    "<script>alert('x')</script>",
    "a \"quoted\" & 'single' one",
    "{{7*7}}{% if x %}",
]


def test_changed_predictions_of_labels_that_look_like_code(tmp_path):
    spec = {"all": (0.9, 1000, 1.0, None)}
    spec |= {name: (0.9, 500 - n, 0.5 - n / 9, "c") for n, name in enumerate(SPELLED)}
    comparison = FakeComparison(spec, labels=SPELLED)
    path = write_report(comparison, tmp_path / "<script> {{7*7}} 'x'.html".replace("/", ""))
    found = Reader(path.read_text(encoding="utf-8"))
    assert found.wrong == []
    assert not found.tags & {"script", "x"}
    for label in SPELLED:
        assert f"predicted before: {label}" in found.visible
    assert "49" not in found.visible.split("Changed predictions")[1].split("How to")[0]
    line = comparison.churn_report(SPELLED[0]).lines[0]
    assert f"at most {100 * line.at_most:.1f} %" in found.visible
    assert "Sure: the baseline's probability" in found.visible


def test_explanations_are_shown_where_there_are_any(comparison, text):
    assert "rules different ones" in text
    assert "rank correlation between folds" in text
    assert "0.84" in text
    without = Reader(report(forest(explained=False))).visible
    assert "rank correlation" not in without
    assert "Changed predictions" in without


def test_many_labels_are_cut_to_those_with_the_largest_bounds():
    labels = [f"label {number}" for number in range(60)]
    comparison = forest(labels=labels)
    text = Reader(report(comparison)).visible
    assert text.count("predicted before: label") == 40
    assert "the 43 lines with the largest bounds, of 63" in text
