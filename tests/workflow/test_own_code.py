"""A loss of the user's own is edited between two runs of a study."""

import pytest

from tests.support.workplaces import TINY, Workplace

LOSS = """
from torch import nn

class Own(nn.Module):
    def forward(self, logits, target):
        return nn.functional.cross_entropy(logits, target) * 1.0
"""


@pytest.mark.long
def test_edited_loss_is_trained_anew_and_a_comment_is_not(workplace: Workplace):
    loss = workplace.folder / "own.py"
    loss.write_text(LOSS)
    mode = {"preset": "train", "cv": False, "subroutines": ["train"]}
    workplace.write(TINY | {"mode": mode, "plugins": ["own.py"], "loss": {"_target_": "own.Own"}})
    workplace.run()
    loss.write_text(f"# a comment\n{LOSS}")
    assert workplace.planned() == {}
    loss.write_text(LOSS.replace("* 1.0", "* 2.0"))
    assert workplace.planned()["train_fold"] == 1
    output = workplace.run()
    assert f"own ({loss}) changed since run" in output
    assert len(workplace.files("results/tiny/MODELS/stripes/*.json")) == 2
    loss.write_text(LOSS)
    assert "train_fold" not in workplace.planned(), "going back costs nothing"
