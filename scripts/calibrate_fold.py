"""Calibrate the predictions of one network."""

from dataclasses import asdict

from mml_lib.evaluation.calibration.calibration_methods import calibrate_predictions
from mml_lib.evaluation.calibration.cross_fitting import cross_calibrate
from mml_lib.files.atomic import write_text
from mml_lib.files.stored import json_text
from mml_lib.machine.terminal import print_line
from mml_lib.predictions.predictions import read_predictions
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

step = open_step(snakemake)
split = snakemake.wildcards.eval
validation = read_predictions(snakemake.input.validation)
others = {key: read_predictions(path) for key in ("test", "unlabelled") if (path := snakemake.input.get(key))}
others[split] = read_predictions(snakemake.input.predictions)

method, prior = snakemake.params.calibration["method"], snakemake.params.calibration["prior"]
# Validation samples have the frequencies of validation.
calibration, calibrated = calibrate_predictions(validation, others, method, "val" if split == "val" else prior)
if split == "val":
    groups = TaskDescription.read(snakemake.input.task).groups_of(validation.ids.tolist())
    calibrated[split] = cross_calibrate(validation, method, groups)

if calibration.method != method:
    network = f"run {step.run}, fold {step.fold} of {step.task}"
    problem = f"predicts the same for all validation samples, so {split} is not calibrated"
    print_line(f"warning: {network} {problem}; train it with other settings")

calibrated[split].write(snakemake.output.calibrated)
write_text(snakemake.output.calibration, json_text("calibration", asdict(calibration)))
