"""Draw metrics against the training samples, or the wrong labels, of tasks that differ in one tag."""

from mml_lib.evaluation.comparisons.curve_table import as_text, curve_table
from mml_lib.evaluation.comparisons.power_law import fit_all, fit_table, sentences
from mml_lib.evaluation.comparisons.tested import read_tested
from mml_lib.files.atomic import write_text, write_whole_folder
from mml_lib.machine.terminal import print_line
from mml_lib.reports.pages import table_page
from mml_lib.reports.question_figures import draw_curves
from mml_lib.steps.open_step import open_step

open_step(snakemake)
name, axis = snakemake.wildcards.curve, snakemake.params.axis
networks = read_tested(snakemake.params.networks, snakemake.input.resampled, snakemake.input.tasks)

curve = curve_table(name, networks, axis["counted"])
laws = fit_all(networks) if axis["counted"] else {}
fits = fit_table(name, networks, laws)

write_text(snakemake.output.curve, curve.to_csv(index=False))
write_text(snakemake.output.fit, fits.to_csv(index=False))
with write_whole_folder(snakemake.output.plots) as folder:
    draw_curves(curve, laws, axis["label"], folder)
    write_text(folder / "curve_table.html", table_page(f"curve of {name}", curve, f"{name}.csv"))
    if axis["counted"]:
        write_text(folder / "power_law_table.html", table_page(f"power law of {name}", fits, f"{name}-fit.csv"))
print_line("\n".join([as_text(curve, axis["label"]), *sentences(laws)]))
