"""The report of a finished study: one file with all pictures and tables, which a browser shows without an error."""

import base64
import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.browsers import open_page
from tests.support.workplaces import TINY, Workplace, once

pytestmark = pytest.mark.long

DRAWN = TINY | {"mode": {"preset": "train"}, "variants": {"plain": {}, "other": {"seed": 2}}, "bootstrap": 100}
REPORT = "results/tiny/REPORTS/train.html"

# Opens every category and every result, one after the other, and says what did not appear.
CLICK_THROUGH = """
<script>
async function look() {
  const pause = () => new Promise(done => setTimeout(done, 30));
  for (const category in categories) for (const subcategory in categories[category]) {
    app.setView({navbarMode: "menu"});
    await pause();
    for (const resultPath of categories[category][subcategory]) {
      const told = results[resultPath], content = told.mime_type == "text/html" ? "html" : "img";
      app.setView({content, contentPath: told.data_uri, resultPath, navbarMode: "subcategory", category, subcategory});
      await pause();
      const shown = [...document.querySelectorAll("img, iframe")].find(each => each.src == told.data_uri);
      if (!shown) console.error("not shown: " + resultPath);
      while (shown?.complete === false) await pause();
      if (shown?.naturalWidth === 0) console.error("no picture: " + resultPath);
      if (!document.body.innerText.includes(told.labels.content)) console.error("not listed: " + resultPath);
    }
  }
  for (const loaded of performance.getEntriesByType("resource"))
    if (loaded.name.startsWith("http")) console.error("loaded from elsewhere: " + loaded.name);
  document.body.setAttribute("looked-at", Object.keys(results).length);
}
setTimeout(look, 300);
</script></body>
"""


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A finished study of two runs, and its report."""
    place = once(tmp_path_factory, "reported", DRAWN)
    place.run("--report", "report.html")
    return place


def embedded(place: Workplace, name: str) -> Any:
    """Return the value of a name in the report's script."""
    html = (place.folder / "report.html").read_text(encoding="utf-8")
    return json.loads(re.search(rf"\n    var {name} = (.*);\n    </script>", html)[1])


def text_of(result: dict[str, Any]) -> str:
    return base64.b64decode(result["data_uri"].split("base64,")[1]).decode("utf-8")


def test_report_has_pictures_of_each_run_and_tables(reported: Workplace):
    results, categories = embedded(reported, "results"), embedded(reported, "categories")
    runs = sorted(path.stem for path in reported.files("results/tiny/PIPELINES/stripes/*.yaml"))
    assert len(runs) == 2
    pictures = "training/learning_curves.svg", "comparison/leaderboard.svg", "tasks/samples.png", "tasks/classes.png"
    of_runs = "confusion_matrix.svg", "largest_losses.jpg", "roc_and_precision_recall.svg"
    wanted = {
        *pictures,
        *(f"predictions/{run}/{name}" for run in runs for name in of_runs),
        *(f"calibration/{run}/reliability.svg" for run in runs),
    }
    folder = "results/tiny/FIGURES/stripes/train/"
    assert {path.removeprefix(folder) for path in results if path.startswith(folder)} == wanted
    pages = "config", "folds", "plan", "run_times_and_memory", "runs", "summary_over_folds", "tasks"
    assert sorted(categories["Study"]["tiny"]) == [f"results/tiny/PAGES/train/{page}.html" for page in pages]
    assert categories.keys() == {"Calibration", "Comparison", "Predictions", "Study", "Tasks", "Training"}
    assert all("<p>" in result["caption"] for result in results.values())
    labels = [
        (category, subcategory, *results[path]["labels"].values())
        for category, below in categories.items()
        for subcategory, paths in below.items()
        for path in paths
    ]
    assert len(set(labels)) == len(labels), "results with the same labels hide each other"


def test_pages_say_what_the_study_is(reported: Workplace):
    pages = {
        Path(path).stem: text_of(result) for path, result in embedded(reported, "results").items() if "PAGES" in path
    }
    runs = [path.stem for path in reported.files("results/tiny/PIPELINES/stripes/*.yaml")]
    assert "creator: fake" in pages["config"]
    assert '<td>train_fold</td><td class="number">4</td>' in pages["plan"]
    assert all(run in pages["runs"] for run in runs)
    assert "<th>seed</th>" in pages["runs"]
    assert {"train_fold", "predict_fold", "create_dataset"} <= set(re.findall(r"\w+", pages["run_times_and_memory"]))
    assert "<td>accuracy</td>" in pages["summary_over_folds"]
    assert "stripes" in pages["tasks"]


def test_report_needs_nothing_else(reported: Workplace):
    html = (reported.folder / "report.html").read_text(encoding="utf-8")
    pages = [text_of(result) for result in embedded(reported, "results").values() if result["mime_type"] == "text/html"]
    for text in [html, *pages]:
        assert not re.findall(r"<(?:script|img|iframe|link|object|embed)\b[^>]*\s(?:src|href)=[\"']?https?:", text)
    for embedded_file in embedded(reported, "results").values():
        assert embedded_file["data_uri"].startswith(f"data:{embedded_file['mime_type']};")


def test_browser_shows_all_of_it_without_an_error(reported: Workplace, tmp_path: Path):
    before, after = (reported.folder / "report.html").read_text(encoding="utf-8").rsplit("</body>", 1)
    page = tmp_path / "report.html"
    page.write_text(before + CLICK_THROUGH + after, encoding="utf-8")
    document, console = open_page(page, tmp_path)
    assert console == []
    assert f'looked-at="{len(embedded(reported, "results"))}"' in document


# Filters and sorts the predictions, and notes what the page then has.
USE_PAGE = """
<script>
addEventListener("load", () => {
  const text = () => document.querySelector(".count").textContent;
  const note = (name, value) => document.body.setAttribute(name, value);
  note("data-first-page", document.querySelector(".page.current").id);
  note("data-all", text());
  const places = [...document.querySelectorAll("#predictions th")];
  const column = name => places.findIndex(head => head.textContent === name);
  const lines = () => [...document.querySelectorAll("#predictions tbody tr")];
  const values = name => lines().map(row => row.cells[column(name)].textContent);
  const select = document.querySelector('select[aria-label="true"]');
  select.value = select.options[1].value;
  select.dispatchEvent(new Event("input"));
  note("data-filtered", text());
  note("data-classes", [...new Set(values("true"))].join());
  places[column("probability")].click();
  note("data-falling", values("probability").join());
  places[column("probability")].click();
  note("data-rising", values("probability").join());
  note("data-pictures", [...document.querySelectorAll("img")].filter(image => !image.src.startsWith("data:")).length);
  note("data-broken", [...document.querySelectorAll('a[href^="#"]')]
    .filter(link => !document.getElementById(decodeURIComponent(link.hash.slice(1)))).map(link => link.hash).join());
  const overflow = [...document.querySelectorAll(".page")].filter(page => {
    page.classList.add("current");
    const wide = page.scrollWidth > innerWidth;
    page.classList.remove("current");
    return wide;
  });
  note("data-too-wide", overflow.map(page => page.id).join());
});
</script></body>
"""


@pytest.mark.parametrize("width", [1200, 500])
def test_page_of_the_report_can_be_read_filtered_and_sorted(reported: Workplace, tmp_path: Path, width: int):
    before, after = (reported.folder / REPORT).read_text(encoding="utf-8").rsplit("</body>", 1)
    page = tmp_path / "page.html"
    page.write_text(before + USE_PAGE + after, encoding="utf-8")
    document, console = open_page(page, tmp_path, f"--window-size={width},900")
    assert console == []
    notes = dict(re.findall(r' data-([a-z-]+)="([^"]*)"', document[document.index("<body") :].split(">", 1)[0]))
    assert notes["first-page"] == "answer"
    every, some = (int(notes[name].split()[0]) for name in ("all", "filtered"))
    assert 0 < some < every
    assert len(notes["classes"].split(",")) == 1
    falling, rising = ([float(value) for value in notes[name].split(",")] for name in ("falling", "rising"))
    assert falling == sorted(falling, reverse=True)
    assert rising == sorted(falling)
    assert notes["pictures"] == "0", "all pictures lie in the page"
    assert notes["broken"] == notes["too-wide"] == ""


def test_first_page_names_the_winner_and_its_interval(reported: Workplace):
    html = (reported.folder / REPORT).read_text(encoding="utf-8")
    answer = html[html.index('id="answer"') : html.index('id="task-stripes"')]
    rows = list(csv.DictReader((reported.folder / "results/tiny/RESULTS/train.csv").open()))
    best = next(row for row in rows if row["kind"] == "procedure")
    assert re.search(r'class="winner">([^<]*)<', answer)[1] == best["label"]
    assert f"{float(best['mean']):.3f}" in answer
    assert f"{float(best['ci_low']):.3f}" in answer
    assert 'href="#stripes-runs"' in answer
    assert len(html.encode()) < 10_000_000


def test_tables_of_the_report_are_files(reported: Workplace):
    folder = reported.folder / "results/tiny/REPORTS/train-tables"
    names = {path.name for path in folder.iterdir() if path.suffix in (".csv", ".tex")}
    assert {"stripes-runs.csv", "stripes-runs.tex", "stripes-classes.tex", "stripes-predictions.csv"} <= names
    latex = (folder / "stripes-runs.tex").read_text()
    assert "plain" in latex
    assert latex.count("\\\\") == 2, "headings, and the procedure of both runs"
    with (folder / "stripes-predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["networks"] for row in rows} == {"4"}, "two folds of two runs"
    assert len({row["id"] for row in rows}) == len(rows)
    losses = [float(row["loss"]) for row in rows]
    assert losses == sorted(losses, reverse=True)


def test_drawing_is_done_again_for_what_it_shows_only(reported: Workplace, tmp_path: Path):
    shutil.copytree(reported.folder, tmp_path / "copy", symlinks=True)
    copy = Workplace(tmp_path / "copy")
    assert copy.planned() == {}
    copy.write(DRAWN | {"num_workers": 2, "trainer": {"max_epochs": 1}, "tta": {"preset": "none", "merge": "max"}})
    assert copy.planned() == {}
    again = {
        "summarize": 1,
        "draw_results": 1,
        "describe_study": 1,
        "write_methods": 1,
        "write_report": 1,
        "finish_exp": 1,
    }
    copy.write(DRAWN | {"metrics": ["accuracy", "f1"]})
    assert copy.planned() == again | {"test_fold": 4}
    copy.write(DRAWN | {"variants": {"plain": {}, "renamed": {"seed": 2}}})
    assert copy.planned() == again
