"""Mode clean and `remove`: what goes can be made again, and nothing is trained again in silence."""

import pytest

from mml_lib.files.templates import BUILT_IN
from tests.support.messages import mentions
from tests.support.workplaces import TINY, Workplace

REMOVED = {"parameters": True, "predictions": True}
CHANGED = TINY | {"optimizer": {"preset": "adamw", "lr": 0.5}}
REMOVABLE = [template.key for template in BUILT_IN if template.removable and not template.temporary]


@pytest.mark.long
def test_results_of_a_changed_study_are_shown_removed_and_made_again_on_demand(
    copy: Workplace, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TMPDIR", str(copy.folder))  # others may have left something in the system's
    weights = copy.files("results/tiny/PARAMETERS/stripes/*.safetensors")
    models = copy.files("results/tiny/MODELS/stripes/*.json")
    assert "there are no unused files" in copy.run("clean")
    copy.write(CHANGED | {"clean": {"studies": []}})  # not those of config/ again
    copy.run("-n", "clean", "--config", "force=true")
    output = copy.run("clean")
    assert "total removable: " in output
    assert mentions(output, "--config force=true")
    assert copy.files("results/tiny/PARAMETERS/stripes/*.safetensors") == weights
    assert "total removed: " in copy.run("clean", "--config", "force=true")
    assert copy.files("results/tiny/PARAMETERS/**/*") == []
    assert (copy.folder / "results/tiny/INFO/unused.csv").read_text().count("removed") > 4

    made_again = copy.planned(str(models[0].relative_to(copy.folder)))
    assert made_again == {"train_fold": 1}, "its pipeline, task and images are there"
    copy.write(TINY)
    assert copy.planned()["train_fold"] == 2
    assert "create_dataset" not in copy.planned()


def test_broken_study_file_stops_the_removal_and_clean_goes_with_no_other_mode(copy: Workplace):
    (copy.folder / "broken.yaml").write_text("a: [")
    copy.write(CHANGED | {"clean": {"studies": ["broken.yaml"]}})
    output = copy.run("clean", "--config", "force=true", fails=True)
    assert "error in clean_up: nothing is removed" in output
    assert "broken.yaml is not valid YAML" in output
    assert len(copy.files("results/tiny/PARAMETERS/stripes/*.safetensors")) == 2
    assert "mode clean cannot be combined with other" in copy.run("-n", "clean", "train", fails=True)
    copy.write(CHANGED | {"clean": {"studies": ["nowhere.yaml"]}})
    assert "clean.studies: the file" in copy.run("-n", "clean", fails=True)
    copy.write(CHANGED | {"clean": {"projects": ["tinny"]}})
    assert mentions(copy.run("-n", "clean", fails=True), "project 'tinny'", "did you mean 'tiny'")


@pytest.mark.long
def test_networks_whose_weights_and_predictions_were_removed_are_trained_again_on_demand_only(copy: Workplace):
    study = TINY | {"remove": REMOVED, "seed": 1, "mode": TINY["mode"] | {"folds": [0]}}
    copy.write(study)
    copy.run()
    assert len(copy.files("results/tiny/PREDICTIONS/stripes/*/test.npz")) == 2, "those of the first run"
    assert copy.planned() == {}
    copy.write(study | {"metrics": ["accuracy", "f1"]})
    assert "again, as its weights were removed" in copy.run("-n")
    output = copy.run(fails=True)
    assert mentions(output, "trained again (1: stripes ")
    assert mentions(output, "predict_fold; ", "--config retrain=true")
    copy.run("--config", "retrain=true")
    assert "f1" in (copy.folder / "results/tiny/RESULTS/train.csv").read_text()


@pytest.mark.long
@pytest.mark.parametrize("key", [*(pytest.param(key, marks=pytest.mark.thorough) for key in REMOVABLE), "all of them"])
def test_whatever_is_removed_is_not_missed(workplace: Workplace, key: str):
    tasks = TINY["tasks"] | {"dots": TINY["tasks"]["stripes"] | {"image_seed": 5}}
    mode = {"preset": "post", "folds": [0], "eval_on": ["dots"]}
    study = TINY | {"tasks": tasks, "pivot": {"name": "stripes"}, "mode": mode}
    study["remove"] = dict.fromkeys(REMOVABLE, True) if key == "all of them" else {key: True}
    workplace.write(study)
    workplace.run()
    templates = [template for template in BUILT_IN if template.key in study["remove"]]
    for template in templates:
        root = "data" if template.root == "DATA_PATH" else "results/tiny"
        pattern = "/".join("*" if "{" in part else part for part in template.below.split("/"))
        suffix = template.path.rpartition(".")[2] if "." in template.path else ""
        left = [path for path in workplace.files(f"{root}/{pattern}") if path.name.endswith(suffix)]
        assert [path for path in left if path.is_dir() == template.directory and path.name[0] != "."] == []
    assert workplace.planned() == {}
    if key not in ("predictions", "other_predictions", "all of them"):
        workplace.write(study | {"metrics": ["accuracy", "f1"]})
        assert "train_fold" not in workplace.planned()
        workplace.write(study | {"mode": mode | {"ensemble": {"strategy": "mean", "seed": 1}}})
        assert "train_fold" not in workplace.planned()
