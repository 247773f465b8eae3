"""Process that tries pipelines, and backbones that extract features.

It reads a request from its standard input, and writes mistakes to its standard output. It imports torch, or continues
in a fork of the warm process. It uses no GPU and writes no file.
"""

import json
import logging
import os
import signal
import sys
import warnings
from functools import partial
from typing import IO, Any

from mml_lib.config.reading.scalars import config_of
from mml_lib.machine.locks import follow_parent
from mml_lib.machine.warm_start import start_warm


def main() -> None:
    """Write the mistakes of each pipeline of the request."""
    follow_parent()
    start_warm()
    request = json.load(sys.stdin.buffer)
    request["config"] = config_of(request["config"])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # prints of libraries must not mix with answers
    _silence()
    answer(request, answers)


def _silence() -> None:
    """Silence the libraries during a dummy training."""
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""


def answer(request: dict[str, Any], answers: IO[str]) -> None:
    """Write the list of mistakes of each pipeline and each backbone, one JSON line as soon as it is tried."""
    from mml_lib.config.feature_options import Extraction
    from mml_lib.engine.preflight.tried_backbone import mistakes_of_backbone
    from mml_lib.engine.preflight.tried_pipelines import TriedPipelines
    from mml_lib.pipelines.pipeline import Pipeline
    from mml_lib.studies.study import Study

    study = Study(request["config"])
    pipelines = TriedPipelines(study)
    tried = [partial(pipelines.mistakes, Pipeline(content)) for content in request.get("pipelines", ())]
    tried += [
        partial(mistakes_of_backbone, Extraction(**content), study.cfg.preprocessing)
        for content in request.get("backbones", ())
    ]
    for mistakes in tried:
        json.dump(mistakes(), answers)
        answers.write("\n")
        answers.flush()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # Ctrl-C reaches all processes of the terminal; Snakemake reports it
        sys.exit(128 + signal.SIGINT)
