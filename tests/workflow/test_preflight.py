"""The pre-flight check in real runs: refused before anything is made, remembered, and never in the way."""

from tests.support.workplaces import TINY, Workplace


def test_what_cannot_be_trained_is_refused_before_anything_is_made(workplace: Workplace):
    network = {"_target_": "mml_lib.models.network.timm_backbone", "name": "test_resne", "pretrained": False}
    workplace.write(TINY | {"variants": {"good": {}, "bad": {"arch": network}}})
    (line,) = [line for line in workplace.run("-n", fails=True).splitlines() if ": arch.name: " in line]
    assert "study.yaml: arch.name: " in line
    assert "did you mean 'test_resnet'?" in line
    assert "(bad)" in line
    network |= {"name": "test_resnet", "stem_widht": 8}
    unknown = {"_target_": "timm.optim.create_optimizer_v2", "opt": "nadamww", "lr": 0.1}
    workplace.write(TINY | {"variants": {"good": {}, "bad": {"arch": network, "optimizer": unknown}}})
    output = workplace.run(fails=True)
    (line,) = [line for line in output.splitlines() if ": arch" in line]
    assert "stem_widht" in line
    assert "(bad)" in line
    assert any(": optimizer: " in line and "nadamww" in line for line in output.splitlines())
    assert not workplace.files("data/[A-Z]*")
    assert not workplace.files("results/tiny/[A-Z]*")


def test_a_pipeline_that_was_tried_is_not_tried_again(copy: Workplace):
    # One training without predictions: what counts is what is checked before it.
    copy.write(TINY | {"mode": {"preset": "train", "folds": [0], "subroutines": ["train"]}})
    for file in copy.files("results/tiny/MODELS/**/*.json"):
        file.unlink()
    assert "checking" not in copy.run()
    output = copy.run("--config", "optimizer={preset: adamw, lr: 0.004}", "seed=3")
    assert "checking 1 pipeline before anything runs" in output
    assert "checking" not in copy.run("--config", "optimizer={preset: adamw, lr: 0.004}", "seed=4")
