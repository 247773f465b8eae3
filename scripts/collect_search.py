"""Collect the trials of all searches for a task in a table, with the importance of their parameters."""

from pathlib import Path

from mml_lib.files.atomic import write_text, write_whole, write_whole_folder
from mml_lib.machine.locks import is_held
from mml_lib.machine.terminal import print_line
from mml_lib.reports.pages import table_page
from mml_lib.reports.searches.search_figures import draw_search, search_suffixes
from mml_lib.search.trial_tables import as_text, importance_table, read_searches, trial_table, write_journal
from mml_lib.steps.open_step import open_step
from mml_lib.training.checkpoint_files import remove_checkpoints, training_lock

open_step(snakemake)
task, output = snakemake.wildcards.task, snakemake.output
searches = read_searches(snakemake.params.searches, snakemake.input.trials, snakemake.input.results)

table, importances = trial_table(searches), importance_table(searches)

write_text(output.table, table.to_csv(index=False))
write_text(output.importance, importances.to_csv(index=False))
with write_whole(output.journal) as beside:
    write_journal(searches, task, beside)
with write_whole_folder(output.plots) as folder:
    for search, suffix in zip(searches, search_suffixes(searches), strict=True):
        draw_search(search, folder, suffix)
    write_text(folder / "trials_table.html", table_page(f"trials on {task}", table, f"{task}-trials.csv"))
print_line(as_text(table))
for search in searches:
    for run, fold in search.stopped:
        checkpoints = Path(snakemake.params.checkpoints.format(task=task, run=run, fold=fold))
        if not is_held(training_lock(checkpoints)):  # an ordinary training may go on with them
            remove_checkpoints(checkpoints)
