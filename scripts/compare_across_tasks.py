"""Compare procedures across the tasks of a study: ranks, tests, and a diagram of critical differences."""

from mml_lib.evaluation.comparisons.across_tasks import as_text, rank_table, score_table, table_of_tests
from mml_lib.evaluation.comparisons.tested import read_tested
from mml_lib.files.atomic import write_text, write_whole_folder
from mml_lib.machine.terminal import print_line
from mml_lib.reports.pages import table_page
from mml_lib.reports.question_figures import draw_critical_differences
from mml_lib.steps.open_step import open_step

open_step(snakemake)
siblings = snakemake.params.siblings
networks = read_tested(snakemake.params.networks, snakemake.input.resampled, snakemake.input.tasks)

scores = score_table(networks, siblings)
ranks = rank_table(scores)
tests = table_of_tests(scores, snakemake.params.rope)

tables = {"scores": scores, "ranks": ranks, "tests": tests}
for name, table in tables.items():
    write_text(snakemake.output[name], table.to_csv(index=False))
with write_whole_folder(snakemake.output.plots) as folder:
    draw_critical_differences(ranks, tests, folder)
    for name, table in tables.items():
        write_text(folder / f"{name}_table.html", table_page(f"{name} across tasks", table, f"{name}.csv"))
print_line(as_text(scores, ranks, tests, siblings))
