"""Digests of a user's own code: modules outside of installed packages that a result depends on.

Modules are read and parsed, never run. The digest is that of the syntax tree without docstrings, so that comments,
docstrings and formatting do not change it.
"""

import ast
import functools
import hashlib
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import all_suffixes
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mml_lib.config.factories import TARGET
from mml_lib.errors import MMLError

INSTALLED = ("site-packages", "dist-packages")
"""Folders of installed packages. Runs do not depend on their versions."""

LIBRARY = tuple(
    str(Path(folder).resolve())
    for folder in (Path(__file__).parents[1], sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
)
"""Folders of MML and of Python's standard library."""

PLANNING = ("mml_lib.schedulers",)
"""Modules whose derived classes only plan; `code_of_hooks` covers their hooks that steps call."""

REGISTERING = ("register_creator", "register_measure", "register_reader", "register_tag")
"""Decorators of functions that are part of the identity of tasks or distances, not of runs."""

HARMLESS = ("MMLFileManager", "print", "warnings", "logging", "sys", "os", *REGISTERING)
"""Calls that a module may make on import without changing other modules."""

BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.ExceptHandler, ast.Match, ast.match_case)
"""Compound statements whose statements run when a module is imported."""

REGISTRIES = ("timm.models._registry", "segmentation_models_pytorch.encoders")
"""Modules that register networks by name."""

DIGITS = 16

_installed: set[str] = set()  # known installed packages


@dataclass(frozen=True)
class Source:
    """The source of a module.

    Args:
        name: dotted name.
        path: file of the module.
        tree: syntax tree without docstrings; None for a compiled module.
        changed: modification time of the file in ns.
    """

    name: str
    path: Path
    tree: ast.Module | None
    changed: int

    @property
    def package(self) -> str:
        """Name of the package that relative imports start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    @functools.cached_property
    def imports(self) -> list[str]:
        """Names of modules that the module imports or may import, including imports in functions."""
        return list(dict.fromkeys(self._imports()))

    def _imports(self) -> Iterator[str]:
        for node in ast.walk(self.tree) if self.tree else ():
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                parts = self.package.split(".")
                above = parts[: len(parts) - node.level + 1] if node.level else []
                origin = ".".join([*above, *([node.module] if node.module else [])])
                yield origin
                yield from (f"{origin}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.Call) and _root(node.func) in ("importlib", "import_module", "__import__"):
                name = getattr(node.args[0], "value", None) if node.args else None
                if isinstance(name, str):
                    yield f"{self.package}{name}" if name[:1] == "." else name

    @functools.cache  # noqa: B019  (a source lives as long as its process, and each run needs its digest)
    def digest(self, kept: tuple[str, ...] = (), dropped: frozenset[str] = frozenset()) -> str:
        """Return the digest of the module.

        Args:
            kept: definitions that count although they plan or create tasks.
            dropped: methods of these definitions that do not count.
        """
        if self.tree is None:
            return hashlib.sha256(self.path.read_bytes()).hexdigest()[:DIGITS]
        without: list[ast.AST] = [node for node in self.planning if node.name not in kept]
        for node in self.planning:
            if node.name in kept and isinstance(node, ast.ClassDef):
                without += [method for method in node.body if getattr(method, "name", None) in dropped]
        try:
            content = repr(_as_tuples(self.tree, without)).encode()
        except RecursionError:  # deep trees, as of sums of hundreds of terms: use the text, including comments
            content = self.path.read_bytes()
        return hashlib.sha256(content).hexdigest()[:DIGITS]

    @functools.cached_property
    def planning(self) -> list[ast.ClassDef | ast.FunctionDef]:
        """Top-level definitions that only plan or create tasks."""
        planning_names = set()
        for node in self.tree.body if self.tree else ():
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PLANNING):
                planning_names |= {alias.asname or alias.name for alias in node.names}
        definitions: list[ast.ClassDef | ast.FunctionDef] = []
        for node in self.tree.body if self.tree else ():
            if isinstance(node, ast.ClassDef) and planning_names & {_root(base) for base in node.bases}:
                planning_names.add(node.name)
                definitions.append(node)
            elif isinstance(node, ast.FunctionDef) and any(
                _last(decorator) in REGISTERING for decorator in node.decorator_list
            ):
                definitions.append(node)
        return definitions

    @property
    def patches(self) -> bool:
        """True if the import of the module may change others, by a call or by an assignment to an attribute or item."""
        statements = self.tree.body if self.tree else []
        defined = {name for node in statements for name in _defined(node)}
        return any(_patches(node, defined) for node in statements)


def code_of(content: Any) -> dict[str, str]:
    """Return the digests of the user's own modules that the `_target_`s of a config need, by module name.

    Args:
        content: nested mappings and lists.

    Raises:
        MMLError: the source of a module cannot be read.
    """
    return _digests(_closure([target.rpartition(".")[0] for target in _targets(content)]))


def code_of_modules(names: Iterable[str]) -> dict[str, str]:
    """Return the digests of the user's own modules of these names, and of all own modules that they import."""
    return _digests(_closure(names))


def code_of_function(module: str, name: str) -> dict[str, str]:
    """Return the digests of the modules that a registered creator or tag needs, by module name.

    Other creators and tags in these modules do not count.

    Args:
        module: module of its definition.
        name: name of the function.
    """
    return _digests(_closure([module]), {module: [name]})


def code_of_hooks(cls: type, names: Iterable[str]) -> dict[str, str]:
    """Return the digests of the user's own modules with classes that override a hook or block of a step.

    These are base classes of a scheduler and of its `Step`. Methods of a scheduler that only plan do not count.

    Args:
        cls: class of the scheduler.
        names: names of the hooks and blocks.
    """
    names = set(names)
    bases = [*cls.__mro__, *getattr(getattr(cls, "Step", None), "__mro__", ())]
    overriding = [base for base in bases if _locate(base.__module__) and names & set(vars(base))]
    if not overriding:
        return {}
    library = [base for base in bases if base not in overriding and not _locate(base.__module__)]
    planning = {name for base in library for name in vars(base)} - {*names, "Step"}
    kept: dict[str, list[str]] = {}
    for base in overriding:
        # A `Step` may be defined within its scheduler.
        kept.setdefault(base.__module__, []).append(base.__qualname__.partition(".")[0])
    return _digests(_closure(list(kept)), kept, planning)


def code_of_patches(plugins: Iterable[str]) -> dict[str, str]:
    """Return the digests of modules that change others when plugins are imported. Every run depends on them.

    Args:
        plugins: names of the plugins' modules.
    """
    return _digests(_closure([name for name, source in _closure(plugins).items() if source.patches]))


def code_of_registered(name: str | None) -> dict[str, str]:
    """Return the digests of the modules that registered a network by name with timm or segmentation-models-pytorch.

    Only a plugin that has imported these packages can have registered a network, so that they need not be imported.
    """
    model_name = str(name).partition(".")[0]
    timm, smp = (sys.modules.get(name) for name in REGISTRIES)
    entry = getattr(timm, "_model_entrypoints", {}).get(model_name)
    encoder = getattr(smp, "encoders", {}).get(name, {}).get("encoder")
    return _digests(_closure([network.__module__ for network in (entry, encoder) if network is not None]))


def changed_modules(code: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the modules with different digests, each with its file."""
    names = [name for name in sorted({*code, *now}) if code.get(name) != now.get(name)]
    return [f"{name} ({path})" if (path := _locate(name)) else name for name in names]


# --- digests --------------------------------------------------------------------------------------------------------


def _digests(
    sources: Mapping[str, Source], kept: Mapping[str, Collection[str]] | None = None, dropped: Collection[str] = ()
) -> dict[str, str]:
    """Return the digest of each module.

    Args:
        sources: sources by module name.
        kept: definitions that count although they plan or create tasks, by module name.
        dropped: methods that do not count.
    """
    return {
        name: source.digest(tuple((kept or {}).get(name, ())), frozenset(dropped))
        for name, source in sorted(sources.items())
    }


def _closure(modules: Iterable[str]) -> dict[str, Source]:
    """Return the sources of the user's own modules, and of all own modules that they import, by name."""
    sources: dict[str, Source] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in sources or not (source := _source(name)):
            continue
        sources[name] = source
        parts = name.split(".")
        waiting += [".".join(parts[:end]) for end in range(1, len(parts))]  # parent packages, which run too
        waiting += source.imports
    return sources


def _targets(content: Any) -> Iterator[str]:
    """Yield the `_target_`s in nested mappings and lists."""
    if isinstance(content, Mapping):
        if isinstance(target := content.get(TARGET), str):
            yield target
        yield from (target for value in content.values() for target in _targets(value))
    elif isinstance(content, list | tuple):
        yield from (target for value in content for target in _targets(value))


# --- sources --------------------------------------------------------------------------------------------------------


def _source(name: str) -> Source | None:
    path = _locate(name)
    if path is None:
        return None
    try:
        state = path.stat()
        return _read(name, path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise MMLError(f"{path} cannot be read ({error.strerror}), but runs depend on it; make it readable") from error


@functools.lru_cache(maxsize=1000)
def _read(name: str, path: Path, changed: int, size: int) -> Source:
    """Return the source of a module. Time and size of its file are keys of the cache."""
    return Source(name, path, _parsed(path) if path.suffix == ".py" else None, changed)


def _parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file without docstrings."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        raise MMLError(f"{path}, line {error.lineno}: {error.msg}") from error
    except ValueError as error:
        raise MMLError(f"{path} is not a Python file ({error})") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str):
                del node.body[0]
    return tree


def _locate(name: str) -> Path | None:
    """Return the file of one of the user's own modules, without importing it.

    It is None for installed modules, the standard library, and packages without an `__init__.py`.
    """
    top, *parts = name.split(".")
    if not top or top in sys.stdlib_module_names or top in _installed:
        return None
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):  # a module that was loaded without a spec
        spec = None
    if spec is None:
        return None
    path = Path(spec.origin) if spec.has_location and spec.origin else None
    if path and not _is_own(path):
        _installed.add(top)
        return None
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    for part in parts:
        path, folders = _below(folders, part)
    return path


def _below(folders: Sequence[Path], name: str) -> tuple[Path | None, list[Path]]:
    """Return the file of a module or package in the folders of its parent package, and its own folders."""
    for folder in folders:
        for path in (folder / name / "__init__.py", *(folder / f"{name}{suffix}" for suffix in all_suffixes())):
            if path.is_file():
                return path, [path.parent] if path.name == "__init__.py" else []
    return None, [folder / name for folder in folders if (folder / name).is_dir()]


def _is_own(path: Path) -> bool:
    resolved = path.resolve()
    if any(folder in parts for folder in INSTALLED for parts in (path.parts, resolved.parts)):
        return False
    return not any(resolved.is_relative_to(folder) for folder in LIBRARY)


# --- syntax trees ---------------------------------------------------------------------------------------------------


def _as_tuples(node: Any, without: Collection[ast.AST]) -> Any:
    """Return a tree as nested tuples without empty fields, which are equal for all versions of Python."""
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, []) and name != "kind"]
        return (type(node).__name__, *((name, _as_tuples(value, without)) for name, value in fields))
    if isinstance(node, list):
        return tuple(_as_tuples(item, without) for item in node if item not in without)
    return node


def _root(node: ast.AST) -> str | None:
    """Return the first name of a dotted expression."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def _last(node: ast.AST) -> str | None:
    """Return the last name of a dotted expression."""
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def _patches(node: ast.AST, own: Collection[str]) -> bool:
    """Return True if a statement may change other modules.

    Args:
        node: statement at the top level of a module, or in a block there.
        own: names that the module defines.
    """
    if isinstance(node, ast.Expr):
        call = node.value
        harmless = _root(call) in HARMLESS or (_last(call) or "").startswith("register")
        return isinstance(call, ast.Call) and not harmless
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
        return any(_changes(part, own) for part in ast.walk(node))
    if isinstance(node, ast.ClassDef):
        own = {*own, *(name for child in node.body for name in _defined(child))}
        return any(_patches(child, own) for child in node.body)
    if isinstance(node, ast.If) and "__name__" in map(_root, ast.walk(node.test)):
        return False  # runs only as a program
    if isinstance(node, BLOCKS):
        return any(_patches(child, own) for child in ast.iter_child_nodes(node))
    return False


def _changes(node: ast.AST, own: Collection[str]) -> bool:
    """Return True if a part of an assignment changes an attribute or item of an object of another module."""
    if isinstance(node, ast.Attribute | ast.Subscript):
        return isinstance(node.ctx, ast.Store | ast.Del) and _root(node) not in (*HARMLESS, *own)
    return isinstance(node, ast.Call) and getattr(node.func, "id", None) in ("setattr", "delattr")


def _defined(node: ast.stmt) -> list[str]:
    """Return the names that a top-level statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]
