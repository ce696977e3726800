"""The structure of the package, read from its import statements."""

import ast
import sys
from collections import defaultdict
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import sklearn_prune

PACKAGE = Path(sklearn_prune.__file__).parent
NAME = "sklearn_prune"
# What the parts of the package may import, besides themselves. `predictors` stands alone.
BELOW = {"predictors", "ground floor"}
PACKAGES = BELOW | {"sample_selection", "weight_pruning", "models"}
ALLOWED = {
    "predictors": set(),
    "ground floor": {"predictors"},
    "sample_selection": BELOW,
    "weight_pruning": BELOW,
    "models": BELOW | {"weight_pruning"},
    "inspection": PACKAGES,
    "comparison": PACKAGES | {"inspection"},
    "persistence": PACKAGES | {"comparison", "inspection"},
    "__main__": PACKAGES | {"comparison", "inspection", "persistence"},
}


def module_names():
    """Name of each module, and its file; packages by their own name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = (NAME, *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = module_names()


def is_package(name):
    return MODULES[name].name == "__init__.py"


def folder_of(name):
    return name if is_package(name) else name.rpartition(".")[0]


def absolute(node, name):
    """The module that an ImportFrom of the module `name` imports from."""
    if not node.level:
        return node.module
    base = folder_of(name).split(".")
    base = base[: len(base) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def imports(name):
    """(module, imported name or None) for each import of ours, functions included."""
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = absolute(node, name)
            yield from ((source, alias.name) for alias in node.names)


@cache
def our_imports(name):
    return [each for each in imports(name) if each[0].partition(".")[0] == NAME]


def public_names(package):
    """The names that a package offers, and the module that defines each."""
    tree = ast.parse(MODULES[package].read_text())
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            source = absolute(node, package)
            found |= {alias.asname or alias.name: source for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = package
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            if node.targets[0].id not in ("_PUBLIC", "_SHARED"):
                continue
            for module, names in ast.literal_eval(node.value).items():
                found |= dict.fromkeys(names.split(), f"{package}.{module}")
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, package)
    return found


PUBLIC = {name: public_names(name) for name in MODULES if is_package(name)}


def defining_module(source, alias):
    """The module whose code an import reaches, through the tables of packages."""
    if alias is not None and f"{source}.{alias}" in MODULES:
        return f"{source}.{alias}"
    if source in PUBLIC and alias in PUBLIC[source]:
        target = PUBLIC[source][alias]
        return target if target == source else defining_module(target, alias)
    return source


@cache
def graph():
    """The modules that each module imports."""
    return {
        name: {defining_module(*each) for each in our_imports(name)} - {name, NAME}
        for name in MODULES
        if not is_package(name)
    }


def part_of(name):
    parts = name.split(".")
    if len(parts) > 1 and (f"{NAME}.{parts[1]}" in PUBLIC or parts[1] == "__main__"):
        return parts[1]
    return "ground floor"


def circles(graph):
    """Strongly connected components of more than one module (Tarjan 1972)."""
    number, lowest, stack, found = {}, {}, [], []

    def visit(name):
        number[name] = lowest[name] = len(number)
        stack.append(name)
        for other in graph.get(name, ()):
            if other not in number:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], number[other])
        if lowest[name] == number[name]:
            component = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(component) > 1:
                found.append(sorted(component))

    for name in graph:
        if name not in number:
            visit(name)
    return found


def test_no_modules_import_each_other_in_a_circle():
    assert circles(graph()) == []


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_no_folders_import_each_other_in_a_circle():
    """Folders beside each other; a folder and one inside it may use each other."""
    folders = defaultdict(set)
    for name, targets in graph().items():
        for target in targets:
            one, other = folder_of(name).split("."), folder_of(target).split(".")
            shared = sum(a == b for a, b in zip(one, other, strict=False))
            if shared < min(len(one), len(other)):
                folders[".".join(one[: shared + 1])].add(".".join(other[: shared + 1]))
    assert circles(folders) == []


def test_imports_point_down():
    wrong = [
        f"{name} -> {target}"
        for name, targets in graph().items()
        for target in targets
        if part_of(target) != part_of(name)
        and part_of(target) not in ALLOWED[part_of(name)]
    ]
    assert wrong == []


@pytest.mark.parametrize("name", sorted(MODULES))
def test_folders_are_used_through_their_public_names(name):
    """Modules are imported from the own folder and the ones above it, else names."""
    own = folder_of(name)
    wrong = []
    for source, alias in our_imports(name):
        module = f"{source}.{alias}" if f"{source}.{alias}" in MODULES else source
        if module in PUBLIC and alias is not None and module == source:
            if alias not in PUBLIC[module] and own != module:
                wrong.append(f"{source} does not name {alias}")
        elif module not in PUBLIC:
            folder = folder_of(module)
            if own != folder and not own.startswith(f"{folder}."):
                wrong.append(f"{module} lies inside another folder")
    assert wrong == []


def test_predictors_import_numpy_and_the_standard_library_only():
    wrong = []
    for name, path in MODULES.items():
        if part_of(name) != "predictors":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                source = absolute(node, name)
                if source.startswith(NAME) and not node.level:
                    wrong.append(f"{name} imports {source} by its full name")
        if name.endswith("kernels"):  # imported by the functions that call them
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                sources = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                sources = [node.module]
            else:
                continue
            for source in sources:
                library = source.partition(".")[0]
                if library not in {"numpy", *sys.stdlib_module_names}:
                    wrong.append(f"{name} imports {library}")
    assert wrong == []


@pytest.mark.parametrize("package", sorted(PUBLIC))
def test_listed_names_are_there(package):
    module = import_module(package)
    if package == "sklearn_prune.models.nets":
        pytest.importorskip("torch")
    missing = [
        name
        for name in public_names(package)
        if f"{package}.{name}" not in MODULES and not hasattr(module, name)
    ]
    assert missing == []
