"""The look of a report: on a screen, on paper, and without colours."""

CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

STYLE = """
:root { --ink: #1a1a1a; --soft: #595959; --line: #d4d4d4; --faint: #f5f5f3; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 72rem; color: var(--ink);
  background: #fff; font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial,
  "Liberation Sans", sans-serif; }
h1 { margin: 0 0 .3rem; font-size: 1.05rem; font-weight: 600; color: var(--soft); }
h2 { margin: 2.6rem 0 .6rem; font-size: 1.2rem; border-bottom: 1px solid var(--line);
  padding-bottom: .25rem; }
h3 { margin: 1.6rem 0 .4rem; font-size: 1rem; }
p, ul { margin: .5rem 0; max-width: 50rem; }
.verdict { margin: 0 0 .8rem; padding: .9rem 1.1rem; border-left: 6px solid #004488;
  background: var(--faint); font-size: 1.3rem; line-height: 1.4; max-width: none;
  overflow-wrap: anywhere; }
.verdict.none { border-left: 6px double #8a4b00; }
.note { color: var(--soft); font-size: .9rem; }
.warning::before { content: "\\26A0"; margin-right: .5em; font-weight: 700; }
.plain { list-style: none; padding-left: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .82rem; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.caption { margin: 1.4rem 0 .3rem; color: var(--soft); font-size: .9rem; }
.scroll + .scroll { margin-top: 1.4rem; }
th, td { padding: .4rem .45rem; text-align: right; vertical-align: top;
  border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th:first-child { text-align: left; }
thead th { vertical-align: bottom; white-space: normal; border-bottom: 2px solid var(--ink);
  font-weight: 600; }
th[scope=row] { text-align: left; font-weight: 600; white-space: normal; min-width: 8rem;
  max-width: 16rem; overflow-wrap: anywhere; }
td.text { text-align: left; white-space: normal; overflow-wrap: anywhere; }
td small, th small { display: block; color: var(--soft); font-weight: 400; }
tr.baseline { background: var(--faint); }
tr.picked th[scope=row] { border-left: 5px solid #004488; }
.sign { display: inline-block; width: 1.15em; text-align: center; font-weight: 700; }
td.verdict-word { text-align: left; }
.v-not-worse { color: #004488; font-weight: 600; }
.v-worse { color: #93283a; font-weight: 600; }
.v-undecided { color: #6b4a00; font-style: italic; }
.verdict-word small { font-style: normal; }
.v-not-tested, .v-failed { color: var(--soft); }
.bar { position: relative; min-width: 9rem; }
.bar span { position: absolute; left: .4rem; top: .45rem; bottom: .45rem;
  background: #c6d0de; border-right: 2px solid #5d7596; }
.left { display: block; text-align: left; }
figure { margin: 1.2rem 0; break-inside: avoid; }
figure svg { display: block; width: 100%; max-width: 46rem; height: auto; }
figcaption { color: var(--soft); font-size: .9rem; max-width: 46rem; }
code { font-size: .85em; overflow-wrap: anywhere; }
@media (max-width: 60rem) {
  body { padding: 1rem; }
  .verdict { font-size: 1.1rem; }
}
@media print {
  @page { size: A4 landscape; margin: 12mm; }
  body { padding: 0; max-width: none; font-size: 10.5pt; }
  h2, h3, .caption { break-after: avoid; }
  tr, .verdict { break-inside: avoid; }
  thead { display: table-header-group; }
  .scroll { overflow: visible; }
  table { font-size: 8.4pt; }
  th, td { padding: .25rem .4rem; }
  * { print-color-adjust: exact; }
}
"""

FRAGMENT_STYLE = """
.sklearn-prune-comparison { max-width: 66rem; }
.sklearn-prune-comparison .verdict { font-size: 1.1em; margin: .3em 0 .6em;
  overflow-wrap: anywhere; }
.sklearn-prune-comparison th[scope=row] { text-align: left; overflow-wrap: anywhere; }
.sklearn-prune-comparison td small, .sklearn-prune-comparison th small { display: block;
  opacity: .7; font-weight: 400; }
"""
