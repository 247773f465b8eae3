"""Tags: modifiers on a task name, `digits+subset~0.1~7+nested~0`. Register your own in a plugin:

@register_tag("odd")
def odd(task: TaskDescription) -> TaskDescription:
    keep = np.array(task.samples["row"]) % 2 == 1
    return task.changed("odd rows only", keep=keep)

Arguments are parsed by the types of the function's parameters.
"""

from mml_lib.tasks.tags import built_in  # noqa: F401  (they register themselves)
from mml_lib.tasks.tags.tag_registry import TAGS, Axis, Shape, Tag, apply_tag, parse_tag, plan_tag, register_tag

__all__ = ["TAGS", "Axis", "Shape", "Tag", "apply_tag", "parse_tag", "plan_tag", "register_tag"]
