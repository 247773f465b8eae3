"""Upgrade of file formats, and its reversal."""


rule upgrade_formats:
    """Rewrite files of older formats, with a copy of each file in a backup."""
    output:
        report=fm.output("upgrade"),  # BACKUPS/{backup}/upgrade.json
    log:
        fm.log("upgrade_formats", "upgrade"),
    localrule: True
    conda:
        "../config/environment.yaml"
    message:
        "rewrite files of older formats (backup {wildcards.backup})"
    script:
        "../scripts/upgrade_formats.py"


rule downgrade_formats:
    """Restore the original files from the backup of an upgrade."""
    output:
        report=fm.output("downgrade"),  # BACKUPS/{backup}/downgrade.json
    log:
        fm.log("downgrade_formats", "downgrade"),
    localrule: True
    conda:
        "../config/environment.yaml"
    message:
        "restore the files of backup {wildcards.backup}"
    script:
        "../scripts/downgrade_formats.py"
