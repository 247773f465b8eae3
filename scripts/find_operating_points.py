"""Choose thresholds by validation samples, report them on others, and compute the best run's decision curve."""

from mml_lib.evaluation.operating.decision_curves import decision_rows
from mml_lib.evaluation.operating.operating_points import operating_rows
from mml_lib.evaluation.operating.tested_runs import TestedRuns
from mml_lib.files.atomic import write_text, write_whole_folder
from mml_lib.models.model_selection import best_run
from mml_lib.models.model_storage import ModelStorage
from mml_lib.reports.operating.operating_figures import draw_decision_curves
from mml_lib.reports.pages import table_page
from mml_lib.steps.open_step import open_step

open_step(snakemake)
files, params, task = snakemake.input, snakemake.params, snakemake.wildcards.task
runs = TestedRuns.read(params.networks, files.validation, files.test, files.task)
procedures = {network["run"]: (network["procedure"], network["run"]) for network in params.networks}
best = best_run([ModelStorage.read(path) for path in files.models], procedures, params.metric).run
labels = {network["run"]: network["label"] for network in params.networks}

scores = runs.scores()
points = operating_rows(scores, labels, params.wanted, params.bootstrap)
curves = decision_rows(scores[best], best, params.bootstrap)

write_text(snakemake.output.points, points.to_csv(index=False))
write_text(snakemake.output.curves, curves.to_csv(index=False))
with write_whole_folder(snakemake.output.figures) as folder:
    draw_decision_curves(curves, points[points["run"] == best], folder / "decision_curves.svg")
    page = table_page(f"{task}: operating points", points, "operating_points.csv")
    write_text(folder / "operating_points.html", page)
