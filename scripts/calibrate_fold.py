"""Calibrate what one network predicts."""

import json
from dataclasses import asdict

from mml_lib.files.atomic import write_text
from mml_lib.postprocessing.calibration import FORMAT, calibrate_predictions
from mml_lib.postprocessing.predictions import read_predictions
from mml_lib.schedulers.step import open_step

open_step(snakemake)
split = snakemake.wildcards.eval
validation = read_predictions(snakemake.input.validation)
others = {key: read_predictions(path) for key in ("test", "unlabelled") if (path := snakemake.input.get(key))}
others[split] = read_predictions(snakemake.input.predictions)

calibration, calibrated = calibrate_predictions(validation, others, **snakemake.params.calibration)

calibrated[split].write(snakemake.output.calibrated)
write_text(snakemake.output.calibration, json.dumps({"format": FORMAT, **asdict(calibration)}, indent=2) + "\n")
