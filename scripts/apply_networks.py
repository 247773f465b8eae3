"""Predict new images with trained networks, and compute their distance to the training images."""

from mml_lib.deployment.candidate_networks import candidates_of
from mml_lib.files.atomic import write_text
from mml_lib.machine.terminal import print_line, warn
from mml_lib.steps.deployment_step import chosen_predictor, predict_new_images, training_distance
from mml_lib.steps.open_step import open_step

step = open_step(snakemake, warm=True)
files, params = snakemake.input, snakemake.params
run, kind = params.options["run"], params.options["distance"]
candidates = candidates_of(
    params.networks, files.parameters, files.models, files.pipelines, files.images, files.calibrations
)
predictor, networks = chosen_predictor(
    step, candidates, run, params.metric, files.dataset, params.get("tta"), files.ensemble
)
distance = training_distance(predictor, networks, files.task, kind)

applied = predict_new_images(
    predictor,
    params.new_images,
    params.unpacked,
    distance=distance,
    warn_from=params.options["warn_from"],
    masks=snakemake.output.get("masks"),
    batch_size=params.batch_size,
    threads=step.threads,
)

write_text(snakemake.output.table, applied.table.to_csv(index=False))
write_text(snakemake.output.refused, applied.refused.to_csv(index=False))
unlike = f", {(applied.table['warning'] != '').sum()} of them unlike the training images" if distance else ""
print_line(f"{snakemake.output.table}: {len(applied.table)} images{unlike}")
if len(applied.refused):
    warn(f"{snakemake.output.refused}: {len(applied.refused)} images are not predicted: {applied.refused['reason'][0]}")
