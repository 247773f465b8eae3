"""Export a run as ONNX and torch.export, with description, model card and script, and check its predictions."""

from mml_lib.deployment.candidate_networks import candidates_of
from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.machine.terminal import print_line
from mml_lib.predictions.predictions import read_predictions
from mml_lib.steps.deployment_step import chosen_predictor, export_folder
from mml_lib.steps.open_step import open_step

step = open_step(snakemake, warm=True, gpus=False)
files, params, run = snakemake.input, snakemake.params, snakemake.wildcards.export
candidates = candidates_of(
    params.networks, files.parameters, files.models, files.pipelines, files.images, files.calibrations
)
predictor, networks = chosen_predictor(
    step, candidates, run, params.metric, files.dataset, params.get("tta"), files.ensemble
)
places = [candidates.index(network) for network in networks]

differences = export_folder(
    predictor,
    networks,
    snakemake.output.export,
    files.task,
    files.dataset,
    stored=[read_predictions(files.predictions[place]) for place in places],
    metrics=[NetworkMetrics.read(files.metrics[place]) for place in places],
    split=params.split,
    tta=params.get("tta"),
    options=params.options,
    of_ensemble=next(map(read_predictions, files.ensemble_predictions), None),
)

largest = max(differences.values())
print_line(f"{snakemake.output.export}: largest difference from the stored predictions {largest:.1g}")
