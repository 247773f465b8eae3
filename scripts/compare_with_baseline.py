"""Write the ablation table: the difference of each procedure from the baseline of the study."""

from mml_lib.evaluation.comparisons.ablation import ablation_table, as_latex, as_text
from mml_lib.evaluation.comparisons.tested import read_tested
from mml_lib.files.atomic import write_text
from mml_lib.machine.terminal import print_line
from mml_lib.reports.pages import table_page
from mml_lib.steps.open_step import open_step

open_step(snakemake)
networks = read_tested(snakemake.params.networks, snakemake.input.resampled, snakemake.input.tasks)

table = ablation_table(networks, snakemake.params.baselines)

write_text(snakemake.output.table, table.to_csv(index=False))
write_text(snakemake.output.latex, as_latex(table))
write_text(snakemake.output.page, table_page("ablation table", table, "ablation.csv"))
print_line(as_text(table))
