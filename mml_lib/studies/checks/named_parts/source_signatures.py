"""Signatures of classes and functions, by the sources of their packages: importing these imports torch.

Names are resolved in source code like in Python. Where this is impossible (names that are created at import, decorators
that may change a signature), the result is unknown, and the pre-flight check finds mistakes.
"""

import ast
import functools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

from mml_lib.errors import MMLError, nearest

TRANSPARENT = ("override", "final", "abstractmethod", "register_model")
"""Decorators that do not change a signature."""

NEUTRAL = ("object", "ABC", "Generic", "Protocol")
"""Base classes that take no arguments."""

MAKES_NAMES = ("globals()", "vars()", "locals()", "def __getattr__", "exec(", "sys.modules[", "__path__")
"""Texts of modules that may have names that their sources do not state."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Place = tuple[str, str | None]
"""Origin of a name: a module and a name in it, or a module only."""


@dataclass(frozen=True)
class Signature:
    """Keyword arguments of a class or function.

    Args:
        names: names of all arguments except the first positional ones.
        needed: those without a default.
    """

    names: tuple[str, ...]
    needed: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Definition:
    """A class or a function where its source defines it.

    Args:
        module: dotted path of its module.
        node: its source.
    """

    module: str
    node: ast.ClassDef | Function

    def is_class(self) -> bool:
        return isinstance(self.node, ast.ClassDef)

    @functools.cached_property
    def ancestors(self) -> list["Definition | None"]:
        """The class and its base classes in the order of method resolution; None for an unknown class."""
        ancestors: list[Definition | None] = [self]
        for base in self.node.bases if isinstance(self.node, ast.ClassDef) else ():
            name = _dotted(base.value if isinstance(base, ast.Subscript) else base)
            if name.rpartition(".")[2] in NEUTRAL:
                continue
            definition = _in_module(self.module, name) if name else None
            ancestors += definition.ancestors if definition and definition.is_class() else [None]
        return [one for place, one in enumerate(ancestors) if one is None or one not in ancestors[place + 1 :]]

    def is_a(self, kind: "Definition") -> bool | None:
        """Return True for a class derived from another one, None if a base class is unknown."""
        if kind in self.ancestors:
            return True
        return None if None in self.ancestors else False

    @functools.cached_property
    def arguments(self) -> ast.arguments | None:
        """The arguments of a call, without the first one of methods; None if they are unknown."""
        if not isinstance(self.node, ast.ClassDef):
            return self.node.args if _is_plain(self.node) else None
        own = _constructors(self.node)
        for definition in () if own else self.ancestors[1:]:
            own = _constructors(definition.node) if definition else []
            if own or definition is None or not _is_plain(definition.node):
                break
        if not own:
            return None
        plain = len(own) == 1 and own[0].name == "__init__" and _is_plain(self.node) and _is_plain(own[0])
        return _without_first(own[0].args) if plain else None

    def signature(self, positional: int = 0) -> Signature | None:
        """Return the keyword arguments; None: any, or unknown.

        Args:
            positional: number of arguments that come first, without a name.
        """
        arguments = self.arguments
        if arguments is None or arguments.kwarg:
            return None
        placed = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
        needed = placed[: len(placed) - len(arguments.defaults)]
        pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        needed_by_name = [argument.arg for argument, default in pairs if default is None]
        names = [*arguments.args[max(0, positional - len(arguments.posonlyargs)) :], *arguments.kwonlyargs]
        return Signature(tuple(argument.arg for argument in names), (*needed[positional:], *needed_by_name))


@functools.cache
def find_definition(path: str) -> Definition | None:
    """Return the class or function of a dotted path; None if its source does not determine it.

    Raises:
        MMLError: the module does not exist, or certainly lacks the name.
    """
    module, _, name = path.rpartition(".")
    parent = module.partition(".")[0]
    for part in module.split(".")[1:]:
        if _file(parent) is None:
            return None
        if _file(f"{parent}.{part}") is None and not _may_import(parent, part):
            raise MMLError(f"'{path}': {parent} has no module '{part}'{_near(part, _submodules(parent))}")
        parent = f"{parent}.{part}"
    if _file(module) is None:
        return None
    definition = _in_module(module, name)
    if definition is None and not _may_have(module, name):
        raise MMLError(f"'{path}': module {module} has no '{name}'{_near(name, _all_names(module))}")
    return definition


def _near(name: str, names: list[str]) -> str:
    match = nearest(name, [public for public in names if not public.startswith("_")])
    return match if "?" in match else ""


# --- names of modules -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """Names that the source of a module binds.

    Args:
        definitions: classes and functions; None if a definition is ambiguous or unknown.
        places: imported names.
        stars: modules of `import *`.
        is_stated: False if the module may have other names.
    """

    definitions: dict[str, ast.ClassDef | Function | None]
    places: dict[str, Place]
    stars: list[str]
    is_stated: bool


@functools.cache
def _file(module: str) -> Path | None:
    """Return the source of a module without importing it; None if there is no source file."""
    parent, _, name = module.rpartition(".")
    if not parent:
        try:
            spec = find_spec(module)
        except (ImportError, ValueError):
            return None
        file = Path(spec.origin) if spec and spec.has_location and spec.origin else None
        return file if file and file.suffix == ".py" else None
    folder = _file(parent)
    if folder is None or folder.name != "__init__.py":
        return None
    candidates = (folder.parent / name / "__init__.py", folder.parent / f"{name}.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _submodules(module: str) -> list[str]:
    file = _file(module)
    if file is None or file.name != "__init__.py":
        return []
    return [path.stem for path in file.parent.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()]


@functools.cache
def _source(module: str) -> _Source:
    file = _file(module)
    if file is None:
        return _Source({}, {}, [], is_stated=False)
    try:
        text = file.read_text(encoding="utf-8")
        statements = list(_statements(ast.parse(text).body))
    except (OSError, SyntaxError, ValueError):
        return _Source({}, {}, [], is_stated=False)
    source = _Source({}, {}, [], is_stated=not any(words in text for words in MAKES_NAMES))
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for statement in statements:
        _bind(statement, source, package)
    return source


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, those in branches too."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.ClassDef | Function):
            continue
        for part in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, part, []))
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body)


def _bind(statement: ast.stmt, source: _Source, package: str) -> None:
    """Add the names that a statement binds."""
    if isinstance(statement, ast.ClassDef | Function):
        if not _is_overload(statement):
            again = statement.name in source.definitions
            source.definitions[statement.name] = None if again else statement
    elif isinstance(statement, ast.ImportFrom):
        base = package.split(".")[: len(package.split(".")) + 1 - statement.level] if statement.level else []
        module = ".".join([*base, *([statement.module] if statement.module else [])])
        for alias in statement.names:
            if alias.name == "*":
                source.stars.append(module)
            else:
                source.places.setdefault(alias.asname or alias.name, (module, alias.name))
    elif isinstance(statement, ast.Import):
        for alias in statement.names:
            target = alias.name if alias.asname else alias.name.partition(".")[0]
            source.places.setdefault(alias.asname or target, (target, None))
    else:
        for node in ast.walk(statement) if not hasattr(statement, "body") else ():
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                source.definitions[node.id] = None


@functools.cache
def _in_module(module: str, name: str) -> Definition | None:
    """Return the class or function of a (dotted) name in a module; None if it is unknown."""
    first, _, rest = name.partition(".")
    if rest:
        return _in_module(_as_module(module, first), rest) if _as_module(module, first) else None
    source = _source(module)
    if first in source.definitions:
        node = source.definitions[first]
        return Definition(module, node) if node is not None and first not in source.places else None
    if first in source.places:
        origin, there = source.places[first]
        return _in_module(origin, there) if there and (origin, there) != (module, first) else None
    for star in source.stars:
        if star != module and (definition := _in_module(star, first)):
            return definition
    return None


def _as_module(module: str, name: str) -> str:
    """Return the module that a name in another module refers to; empty without one."""
    if name in _source(module).places:
        origin, there = _source(module).places[name]
        path = f"{origin}.{there}" if there else origin
        return path if _file(path) else ""
    return f"{module}.{name}" if _file(f"{module}.{name}") else ""


def _may_have(module: str, name: str) -> bool:
    """Return False if the source of a module shows that it lacks a name."""
    if f"{module}.{name}" in sys.modules or hasattr(sys.modules.get(module), name) or _file(f"{module}.{name}"):
        return True
    file = _file(module)
    if name.startswith("__") or file is None or not _is_stated(module) or name in _all_names(module):
        return True
    return _is_compiled(file.parent, name)


def _may_import(parent: str, name: str) -> bool:
    """Return False if the source of a package shows that it lacks a module."""
    file = _file(parent)
    if f"{parent}.{name}" in sys.modules or file is None or _is_compiled(file.parent, name):
        return True
    text = file.read_text(encoding="utf-8", errors="replace")
    return "__path__" in text or re.search(rf"\b{re.escape(name)}\b", text) is not None


def _is_compiled(folder: Path, name: str) -> bool:
    """Return True for a module that has no source, or a folder of modules."""
    return (folder / name).is_dir() or any((folder / (name + suffix)).exists() for suffix in EXTENSION_SUFFIXES)


@functools.cache
def _is_stated(module: str) -> bool:
    source = _source(module)
    return source.is_stated and all(star == module or _is_stated(star) for star in source.stars)


@functools.cache
def _all_names(module: str) -> list[str]:
    source = _source(module)
    names = [*source.definitions, *source.places]
    return names + [name for star in source.stars if star != module for name in _all_names(star)]


# --- functions --------------------------------------------------------------------------------------------------------


def _dotted(node: ast.AST) -> str:
    """Return the dotted name of an expression; empty: it is another one."""
    if isinstance(node, ast.Name):
        return node.id
    start = _dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return f"{start}.{node.attr}" if isinstance(node, ast.Attribute) and start else ""


def _is_plain(node: ast.ClassDef | Function) -> bool:
    """Return True if a class or function accepts exactly the arguments in its source."""
    decorators = [_dotted(decorator).rpartition(".")[2] for decorator in node.decorator_list]
    keywords = node.keywords if isinstance(node, ast.ClassDef) else []
    if any(_dotted(keyword.value).rpartition(".")[2] != "ABCMeta" for keyword in keywords):
        return False
    return all(decorator in TRANSPARENT for decorator in decorators)


def _constructors(node: ast.AST) -> list[Function]:
    """Return the functions of a class body that determine its arguments."""
    methods = [part for part in _statements(getattr(node, "body", [])) if isinstance(part, Function)]
    return [method for method in methods if method.name in ("__init__", "__new__") and not _is_overload(method)]


def _is_overload(node: ast.ClassDef | Function) -> bool:
    return any(_dotted(decorator).rpartition(".")[2] == "overload" for decorator in node.decorator_list)


def _without_first(arguments: ast.arguments) -> ast.arguments:
    """Return the arguments of a method without `self`."""
    first = "posonlyargs" if arguments.posonlyargs else "args"
    values = {key: getattr(arguments, key) for key in arguments._fields}
    return ast.arguments(**values | {first: values[first][1:]})
