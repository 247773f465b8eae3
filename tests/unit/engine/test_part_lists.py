"""Lists of parts: names with descriptions, from the registries and the presets themselves."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mml_lib.config.reading.catalogue_entries import catalogue_entries
from mml_lib.config.reading.presets import GROUPS, preset_names
from mml_lib.distances import MEASURES
from mml_lib.engine.part_lists import list_parts
from mml_lib.errors import MMLError
from mml_lib.metrics import metric_table
from mml_lib.tasks.creators import CREATORS
from mml_lib.tasks.tags import TAGS
from tests.support.places import CONFIG


def entries(kind: str, *folders: Path) -> dict[str, str]:
    """Return the description of each name in a list."""
    lines = re.sub(r"\n +", " ", list_parts(kind, [*folders, CONFIG])).splitlines()
    split = (line.partition("  ") for line in lines)
    return {name.strip(): description.strip() for name, _, description in split}


@pytest.mark.parametrize(
    "kind", ["modes", "presets", "creators", "tags", "metrics", "measures", "augmentations", "decoder", "catalogue"]
)
def test_each_part_has_a_description(kind: str):
    described = entries(kind)
    parts = (*CREATORS.values(), *TAGS.values())
    of_tests = {part.name for part in parts if not part.function.__module__.startswith("mml_lib.")}
    assert described
    assert all(text for name, text in described.items() if re.split(r"[~\[]", name)[0] not in of_tests), described


@pytest.mark.parametrize("kind", ["presets", "creators", "tags", "metrics", "catalogue"])
def test_a_long_description_continues_below_itself(kind: str):
    lines = list_parts(kind, [CONFIG]).splitlines()
    continued = [line for line in lines if line.startswith(" ")]
    columns = {len(line) - len(line.lstrip()) for line in continued}
    assert max(map(len, lines)) <= 100
    assert continued
    assert all(line[: min(columns)].ljust(min(columns)).endswith("  ") for line in lines)  # or there is no description
    assert len(columns) == 1


def test_lists_are_complete():
    assert set(entries("creators")) == set(CREATORS)
    assert {name.partition("~")[0].partition("[")[0] for name in entries("tags")} == set(TAGS)
    assert set(entries("metrics")) == {f"{metric.task_type}: {metric.name}" for metric in metric_table()}
    assert set(entries("measures")) == set(MEASURES)
    assert set(entries("catalogue")) == set(catalogue_entries([CONFIG]))
    assert set(entries("modes")) == set(preset_names("mode", [CONFIG]))
    assert set(entries("presets")) == {f"{group}: {name}" for group in GROUPS for name in preset_names(group, [CONFIG])}


def test_own_presets_are_listed_and_take_precedence(tmp_path: Path):
    (tmp_path / "augmentations").mkdir()
    (tmp_path / "augmentations/mine.yaml").write_text("# Own colours.\ntransforms: []\n")
    (tmp_path / "augmentations/flips.yaml").write_text("transforms: []\n")
    described = entries("augmentations", tmp_path)
    assert (described["mine"], described["flips"]) == ("Own colours.", "")


def test_an_unknown_list_is_refused_with_the_names_of_all():
    with pytest.raises(MMLError, match=r"^list: .*'taggs'.* modes, presets, creators, tags, metrics"):
        list_parts("taggs", [CONFIG])


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        ("modality=computed images>30000", {"organamnist"}),
        ("keyword=skin", {"dermamnist", "isic2020"}),
        ("task_type=segmentation images<5000", {"voc_segmentation"}),
        ("modality=pathology side>100 images<6000", {"colorectal_histology"}),
        ("side=16 images>2000", {"usps"}),
        ("keyword=blood side=224", {"bloodmnist"}),
        ("task_type=multilabel modality=X-Ray", {"chestmnist"}),
    ],
)
def test_conditions_narrow_the_catalogue(conditions: str, names: set[str]):
    if names:
        assert set(entries(f"catalogue {conditions}")) == names
    else:
        with pytest.raises(
            MMLError, match=r"^list: no entry of the catalogue fulfils 'images<10000'; modalities: comp"
        ):
            list_parts(f"catalogue {conditions}", [CONFIG])


@pytest.mark.parametrize(
    "kind", ["catalogue size<3", "catalogue modality", "tags modality=x-ray", "catalogue images<x"]
)
def test_what_is_no_condition_is_refused(kind: str):
    with pytest.raises(MMLError, match=r"^list: '"):
        list_parts(kind, [CONFIG])


def test_lists_import_no_torch():
    program = (
        "import sys; from pathlib import Path; from mml_lib.engine.part_lists import list_parts\n"
        "for kind in ('presets', 'creators', 'tags', 'metrics', 'catalogue'):\n"
        f"    list_parts(kind, [Path({str(CONFIG)!r})])\n"
        "print(sorted({'torch', 'lightning', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=CONFIG.parent)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
