"""The ablation table: differences to the baseline with sizes of both, as CSV and as LaTeX."""

import re
import shutil
import subprocess
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mml_lib.evaluation.comparisons.ablation import ablation_table, as_latex, as_text, escaped
from mml_lib.evaluation.comparisons.across_tasks import score_table
from mml_lib.evaluation.comparisons.tested import TestedNetwork, runs_of
from mml_lib.evaluation.procedures import compare_procedures
from tests.support.small_networks import NUMBER, network_of

NAMES = ("plain", "better", "alike")


def networks(folds: int = 3, runs: int = 3) -> list[TestedNetwork]:
    strengths = {"plain": 1.0, "better": 3.0, "alike": 1.0}
    return [
        network_of(
            strengths[name], seed=100 * place + 10 * run + fold, procedures=(name,), run=f"{name}{run}", fold=fold
        )
        for place, name in enumerate(NAMES)
        for run in range(runs)
        for fold in range(folds)
    ]


def table(of: list[TestedNetwork], baselines: dict | None = None) -> pd.DataFrame:
    return ablation_table(of, baselines or {"plain": dict.fromkeys(NAMES, "plain")})


def test_each_procedure_has_its_difference_to_the_baseline_with_sizes_of_both():
    members = networks()
    rows = table(members)
    assert rows["procedure"].tolist() == 2 * ["plain", "better", "alike"]
    assert rows["metric"].tolist() == 3 * ["accuracy"] + 3 * ["log_loss"]
    plain, better, alike = (row for _, row in rows[rows["metric"] == "accuracy"].iterrows())
    of_name = {name: runs_of(member for member in members if member.procedures == (name,)) for name in NAMES}
    comparison = compare_procedures(of_name["better"], of_name["plain"], "accuracy")
    assert (better["difference"], better["difference_low"], better["p"]) == (
        comparison.difference,
        comparison.low,
        comparison.p,
    )
    assert better["difference"] == pytest.approx(better["mean"] - better["baseline_mean"])
    assert better["p_holm"] == pytest.approx(2 * better["p"])
    for row in (better, alike):
        assert (row["runs"], row["folds"], row["samples"]) == (3, 3, NUMBER)
        assert tuple(row[f"baseline_{size}"] for size in ("runs", "folds", "samples")) == (3, 3, NUMBER)
    assert np.isnan(plain["difference"])
    assert rows["mark"].tolist() == 2 * ["baseline", "better", "="]


def test_task_that_the_baseline_does_not_train_has_no_rows():
    elsewhere = network_of(seed=7, task="u", procedures=("better",), run="u0")
    assert set(table([*networks(), elsewhere])["task"]) == {"t"}


def test_lower_errors_are_better():
    rows = table(networks(), {"better": dict.fromkeys(NAMES, "better")})
    losses = rows[rows["metric"] == "log_loss"].set_index("procedure")
    assert losses.loc["plain", "difference"] > 0
    assert losses["mark"].to_dict() == {"better": "baseline", "plain": "worse", "alike": "worse"}


def test_single_networks_tell_no_procedures_apart():
    rows = table(networks(folds=1, runs=1)).query("metric == 'accuracy'").set_index("procedure")
    assert rows.loc["better", "p_holm"] < 0.001
    assert rows.loc["better", ["about", "mark"]].tolist() == ["networks", "="]


def test_baselines_of_a_sweep_each_have_a_row():
    counterparts = {"plain": "plain", "better": "plain", "alike": "alike"}
    rows = table(networks(), {"plain": counterparts}).query("metric == 'accuracy'").set_index("procedure")
    assert rows["mark"].to_dict() == {"plain": "baseline", "alike": "baseline", "better": "better"}


def test_procedures_that_are_one_on_a_task_are_said_to_be_the_same():
    both = [network_of(1, seed, procedures=("plain", "other"), run=f"r{seed}") for seed in range(2)]
    rows = table(both, {"plain": {"plain": "plain", "other": "plain"}}).set_index("procedure")
    assert rows.loc["other", "mark"].tolist() == 2 * ["same"]
    assert rows.loc["other", "difference"].tolist() == [0, 0]
    assert rows.loc["other", "p_holm"].isna().all()


def test_missing_intervals_have_a_reason():
    members = [network_of(procedures=(name,), run=name, resamples=0) for name in NAMES]
    rows = table(members)
    assert rows["difference_low"].isna().all()
    assert set(rows["reason"]) == {"no resamples (bootstrap: 0)"}
    assert set(table(networks())["reason"]) == {""}
    scores = score_table(members, {})
    assert set(scores["reason"]) == {"no resamples (bootstrap: 0)"}


def test_metrics_that_are_undefined_are_named_and_left_out_of_texts():
    rows = table(networks())
    without = rows["metric"] == "log_loss"
    rows.loc[without, ["mean", "ci_low", "ci_high", "difference"]] = np.nan
    rows.loc[without, "reason"] = "outputs are not finite"
    left_out = "Left out for test of t: log_loss: outputs are not finite."
    assert left_out in as_text(rows).splitlines()
    assert f"% {left_out}" in as_latex(rows).splitlines()
    assert sum(line.endswith("\\\\") for line in as_latex(rows).splitlines()) == 1 + len(NAMES)


def test_csv_is_read_as_it_was_written():
    rows = table(networks())
    again = pd.read_csv(StringIO(rows.to_csv(index=False)))
    assert again.columns.tolist() == rows.columns.tolist()
    assert again["difference"].tolist() == pytest.approx(rows["difference"].tolist(), nan_ok=True)


def latex_rows(text: str) -> list[list[str]]:
    """Return the cells of each row of a tabular."""
    body = text[text.index("\\toprule") :]
    rows = [line for line in body.splitlines() if line.endswith("\\\\")]
    return [re.split(r"(?<!\\)&", row.removesuffix("\\\\")) for row in rows]


def test_latex_has_as_many_cells_as_columns_and_the_rules_of_booktabs():
    for baselines in (["plain"], ["plain", "alike"]):
        rows = table(networks(), {name: dict.fromkeys(NAMES, name) for name in baselines})
        text = as_latex(rows)
        columns = re.search(r"begin\{tabular\}\{(\w+)\}", text)[1]
        cells = latex_rows(text)
        assert {len(row) for row in cells} == {len(columns)}
        assert len(cells) == 1 + len(rows)
        assert [text.count(f"\\{rule}rule") for rule in ("top", "mid", "bottom")] == [1, 2 * len(baselines), 1]
        assert text.count("{") == text.count("}")
        assert all(cell.count("$") % 2 == 0 for row in cells for cell in row)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a_b & 50%", r"a\_b \& 50\%"),
        ("$x$ #1 {y}", r"\$x\$ \#1 \{y\}"),
        ("~^\\", r"\textasciitilde{}\textasciicircum{}\textbackslash{}"),
        ("lr=1e-3, [a]", r"lr=1e{-}3, {[}a{]}"),
        ("two\nlines <b>", r"two lines \textless{}b\textgreater{}"),
        ("größe", "größe"),
    ],
)
def test_latex_escapes_what_names_may_have(name: str, text: str):
    assert escaped(name) == text
    members = [
        network_of(1, seed, procedures=(procedure,), run=f"{procedure}{seed}")
        for seed, procedure in enumerate(["plain", name])
    ]
    assert f" & {text} & " in as_latex(table(members, {"plain": {"plain": "plain", name: "plain"}}))


@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="needs pdflatex (apt-get install texlive-latex-recommended)"
)
def test_latex_compiles(tmp_path: Path):
    names = ("plain", "a_b & 50%", "$x$ #1 {y}", "~^\\", "[a], lr=1e-3", "<b> |größe|")
    members = [network_of(1 + place, place, procedures=(name,), run=f"r{place}") for place, name in enumerate(names)]
    (tmp_path / "table.tex").write_text(as_latex(table(members, {name: dict.fromkeys(names, name) for name in names})))
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{table}\end{document}"
    (tmp_path / "document.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-800:]


def test_text_says_what_differences_are_about():
    assert "about procedures" in as_text(table(networks()))
    assert "train on more folds" in as_text(table(networks(folds=1, runs=1)))
