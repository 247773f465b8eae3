"""Cleaning up: what no study uses any more."""

import time


rule clean_up:
    """List what no study refers to, and what killed runs have left; remove it where the study says `force`."""
    output:
        table=fm.output("unused"),  # INFO/unused.csv
    log:
        fm.log("clean_up", "unused"),
    localrule: True
    conda:
        "../config/environment.yaml"
    params:
        # What lies on the disk now is asked for, whatever the table says.
        asked_at=lambda wildcards: time.time(),
    message:
        "look for what no study uses"
    script:
        "../scripts/clean_up.py"
