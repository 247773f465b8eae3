"""Rewrite files of older formats, with a copy of each file in a backup."""

from mml_lib.files.atomic import write_text
from mml_lib.files.backups import Backup, find_outdated
from mml_lib.files.stored import json_text
from mml_lib.machine.terminal import print_line
from mml_lib.steps.open_step import open_step

step = open_step(snakemake)
backup = Backup(step.fm, snakemake.wildcards.backup)
backup.write_list(find_outdated(step.fm)[0])
held = backup.hold_data()

rewritten = backup.upgrade()

write_text(snakemake.output.report, json_text("backup_report", {"rewritten": rewritten}))
print_line(f"rewrote {rewritten} files in the present formats; what they were is in {backup.list_path.parent}")
