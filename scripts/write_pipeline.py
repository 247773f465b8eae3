"""Write the pipeline of a run: everything that decides its result."""

from mml_lib.files.atomic import write_text
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.search.best_trials import read_choice
from mml_lib.steps.open_step import open_step
from mml_lib.studies.suggestions.account import read_suggestion
from mml_lib.studies.suggestions.following import follow, follow_search

open_step(snakemake)
content = snakemake.params.content
for path in snakemake.input.suggestion:
    suggestion = read_suggestion(path)
    content = follow(content, suggestion["pipeline"], suggestion["pretrain_task"], snakemake.params.reports_validation)
for path in snakemake.input.choice:
    content = follow_search(content, *read_choice(path))

write_text(snakemake.output.pipeline, Pipeline(content).to_yaml())
