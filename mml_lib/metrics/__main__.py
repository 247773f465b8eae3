"""Table of the named metrics for the guide: `python -m mml_lib.metrics`."""

from mml_lib.metrics.metric_registry import metric_table
from mml_lib.task_types import TASK_TYPES


def metric_lines() -> list[str]:
    """Return the lines of a Markdown table of all metrics."""
    lines = ["| task type | metric | better | takes | value |", "| --- | --- | --- | --- | --- |"]
    for metric in metric_table():
        direction = "lower" if metric.lower_is_better else "higher"
        title = TASK_TYPES[metric.task_type].title.removesuffix(" classification")
        cells = (
            title,
            f"`{metric.name}`",
            direction,
            metric.takes,
            metric.description,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    print("\n".join(metric_lines()))
