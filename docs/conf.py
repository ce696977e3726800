"""Settings of the documentation site. ``sphinx-build -W docs docs/_build`` builds it.

With ``-D plot_gallery=0`` the examples are not run."""

import importlib
import re
from pathlib import Path

import sklearn_prune

project = "sklearn-prune"
author = "the sklearn-prune developers"
version = release = sklearn_prune.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery/*.ipynb", "gallery/*.py", "gallery/*.zip"]
templates_path = ["_templates"]

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"benchmarks",
    "download_all_examples": False,
    "show_memory": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "sklearn-prune"
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
}
html_show_sourcelink = False

PACKAGES = {
    "sklearn_prune": "Wrappers and comparisons",
    "sklearn_prune.sample_selection": "Selectors of rows",
    "sklearn_prune.weight_pruning": "Criteria, schedules and families",
    "sklearn_prune.comparison": "Comparisons",
    "sklearn_prune.inspection": "Inspection",
    "sklearn_prune.persistence": "Files and exports",
    "sklearn_prune.predictors": "Predictors",
}


def api_pages(*_):
    """Write one page for each package, with all of its public names.

    Modules of a package that are public, such as ``sklearn_prune.comparison`` itself, have
    pages of their own.
    """
    folder = Path(__file__).parent / "api"
    folder.mkdir(exist_ok=True)
    documented = []  # a name of two packages has the page of the first
    index = ["# API reference", "", "```{toctree}", ":maxdepth: 2", ""]
    for package, title in PACKAGES.items():
        module = importlib.import_module(package)
        names = [name for name in module.__all__ if f"{package}.{name}" not in PACKAGES]
        names = [name for name in names if getattr(module, name) not in documented]
        documented += [getattr(module, name) for name in names]
        lines = [title, "=" * len(title), "", f".. currentmodule:: {package}", ""]
        lines += [".. autosummary::", "   :toctree: generated", ""]
        lines += [f"   {name}" for name in names]
        (folder / f"{package}.rst").write_text("\n".join([*lines, ""]), encoding="utf-8")
        index.append(package)
    (folder / "index.md").write_text("\n".join([*index, "```", ""]), encoding="utf-8")


def plain_references(app, what, name, obj, options, lines):
    """Leave the text of references to pages of scikit-learn, in what is inherited."""
    lines[:] = [re.sub(r":ref:`([^<`]*?) *<[^>]*>`", r"\1", line) for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", plain_references)
    app.connect("config-inited", api_pages)  # before pages are looked for
