"""What a run says in the end of steps that failed."""

import re

from tests.workflow.conftest import TINY, Workplace


def test_run_ends_with_the_steps_that_failed_why_and_where_their_logs_are(workplace: Workplace):
    workplace.write(
        TINY
        | {"mode": {"preset": "train", "subroutines": ["train"]}, "lr_scheduler": "none", "num_workers": 0}
        | {"optimizer": {"preset": "adamw", "lr": 1e30}, "trainer": {"max_epochs": 2, "accelerator": "cpu"}}
    )
    said = workplace.run(fails=True)
    summary = said[said.index("failed: 2 steps; all that does not need them is done") :]
    for fold in (0, 1):
        line = re.search(rf"  train_fold task=stripes run=\w+ fold={fold}: .*", summary)[0]
        assert re.search(r"became (nan|inf) at batch", line)
        log = re.search(r"\(log: (\S+)\)", line)[1]
        assert "became" in (workplace.folder / log).read_text()
