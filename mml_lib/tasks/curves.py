"""Curves: tasks of a study that differ in the first argument of one tag, `digits+subset~0.1` and `digits+subset~0.3`.

All are tested on the samples of one test split, because tags with an axis do not change it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mml_lib.config.task_options import ARGUMENT, SEPARATOR
from mml_lib.tasks.tags import Axis, parse_tag


@dataclass(frozen=True)
class Point:
    """One task of a curve.

    Args:
        task: name of the task.
        value: first argument of its tag; None for the task without the tag.
        seed: second argument of its tag; 0 if the tag has only one.
    """

    task: str
    value: float | None
    seed: int


@dataclass(frozen=True)
class Curve:
    """Tasks with one tag on one base, in the order of the tag's argument, the base last.

    Args:
        name: name of its tasks without the arguments of the tag: `digits+subset`.
        axis: axis of the tag.
        points: a point for each task.
    """

    name: str
    axis: Axis
    points: tuple[Point, ...]


def curves_of(names: Iterable[str]) -> list[Curve]:
    """Return the curves among tasks. A curve has two or more different arguments of a tag, or one and the base.

    Args:
        names: names of the tasks, including tags.
    """
    names = list(dict.fromkeys(names))
    points: dict[str, dict[tuple[float, int], Point]] = {}
    bases: dict[str, tuple[Axis, str]] = {}
    for name in names:
        base, *tags = name.split(SEPARATOR)
        for place, text in enumerate(tags):
            tag, arguments = parse_tag(text)
            if tag.axis is None:
                continue
            curve = SEPARATOR.join([base, *tags[:place], text.split(ARGUMENT)[0], *tags[place + 1 :]])
            value, seed = arguments[0], arguments[1] if len(arguments) > 1 else 0
            # The same argument in another spelling (0.1, 0.10) gives the same samples.
            points.setdefault(curve, {}).setdefault((value, seed), Point(name, value, seed))
            bases[curve] = (tag.axis, SEPARATOR.join([base, *tags[:place], *tags[place + 1 :]]))
    curves = []
    for curve, curve_points in points.items():
        axis, base = bases[curve]
        ordered = [curve_points[key] for key in sorted(curve_points)]
        if axis.with_base and base in names:
            ordered.append(Point(base, None, 0))
        if len({point.value for point in ordered}) > 1:
            curves.append(Curve(curve, axis, tuple(ordered)))
    return curves
