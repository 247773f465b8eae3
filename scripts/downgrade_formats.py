"""Restore the original files from the backup of an upgrade."""

from mml_lib.files.atomic import write_text
from mml_lib.files.backups import Backup
from mml_lib.files.stored import json_text
from mml_lib.machine.terminal import print_line
from mml_lib.steps.open_step import open_step

step = open_step(snakemake)
backup = Backup(step.fm, snakemake.wildcards.backup)
held = backup.hold_data()

laid_back, kept = backup.downgrade()

write_text(snakemake.output.report, json_text("backup_report", {"laid_back": laid_back, "kept": kept}))
print_line("\n".join([f"restored {laid_back} files", *(f"kept, as it was made again since: {path}" for path in kept)]))
