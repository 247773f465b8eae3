"""Explain predictions of the best run of a task: the image regions that its decisions depend on."""

from mml_lib.deployment.candidate_networks import candidates_of
from mml_lib.explanations.explanation_maps import write_maps
from mml_lib.files.atomic import write_text, write_whole_folder
from mml_lib.machine.terminal import print_line
from mml_lib.steps.explanation_step import explain_best_run
from mml_lib.steps.open_step import open_step

step = open_step(snakemake, warm=True)
files, params = snakemake.input, snakemake.params
candidates = candidates_of(params.networks, files.parameters, files.models, files.pipelines, files.images)

explained = explain_best_run(step, candidates, files.predictions, files.task, params.metric, params.options)

write_maps(explained.maps, snakemake.output.maps)
write_text(snakemake.output.table, explained.table().to_csv(index=False))
with write_whole_folder(snakemake.output.figures) as folder:
    explained.draw(folder)
images, methods = len(explained.explanations), ", ".join(explained.methods) or "no method"
print_line(f"{snakemake.output.figures}: {images} images of run {explained.run}, by {methods}")
