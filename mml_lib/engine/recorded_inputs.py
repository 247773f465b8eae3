"""Comparison of a step's inputs with those that Snakemake recorded while the roots were written in another way."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath


def is_same_below(roots: Mapping[Path, Callable[[str], bool]], recorded: Sequence[str], inputs: Sequence[str]) -> bool:
    """Return True if the recorded inputs are those of a step, except for other roots of data and projects.

    Args:
        roots: for each root, a function that returns True if a path below it is that of an artefact. The recorded root
            is what precedes the same artefact in the record.
        recorded: paths of the inputs in Snakemake's record.
        inputs: paths of the step's inputs.
    """
    for root, is_artefact in roots.items():
        gone, new = set(recorded) - set(inputs), set(inputs) - set(recorded)
        former = _former_root(root, gone, new, is_artefact)
        if former is not None:
            recorded = [_move(path, former, root) if path in gone else path for path in recorded]
    return sorted(map(PurePath, recorded)) == sorted(map(PurePath, inputs))


def _former_root(root: PurePath, gone: set[str], new: set[str], is_artefact: Callable[[str], bool]) -> PurePath | None:
    by_tail: dict[tuple[str, ...], list[PurePath]] = {}  # thousands of inputs may differ
    for path in map(PurePath, sorted(gone)):
        by_tail.setdefault(path.parts[-2:], []).append(path)
    for path in map(PurePath, sorted(new)):
        for recorded in by_tail.get(path.parts[-2:], ()):
            below = path.relative_to(root) if path.is_relative_to(root) else PurePath()
            parts = below.parts
            if len(parts) > 1 and recorded.parts[-len(parts) :] == parts and is_artefact(str(below)):
                return recorded.parents[len(parts) - 1]
    return None


def _move(path: str, source: PurePath, target: PurePath) -> str:
    return str(target / PurePath(path).relative_to(source)) if PurePath(path).is_relative_to(source) else path
