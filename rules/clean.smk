"""Cleaning: artefacts that no study uses any more."""

import time


rule clean_up:
    """List artefacts that no study uses and leftovers of killed runs; remove them if the study sets `force`."""
    output:
        table=fm.output("unused"),  # INFO/unused.csv
    log:
        fm.log("clean_up", "unused"),
    localrule: True
    conda:
        "../config/environment.yaml"
    params:
        # Each call looks at the disk again, even if the table exists.
        asked_at=lambda wildcards: time.time(),
    message:
        "find artefacts that no study uses"
    script:
        "../scripts/clean_up.py"
