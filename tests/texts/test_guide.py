"""README and guide: their studies load, their commands exist, their Python is tested code, their links are valid."""

import importlib.util
import itertools
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torch modules that need torchvision)
import pytest
import yaml
from pydantic import ValidationError
from snakemake.cli import get_argument_parser

from mml_lib.config.factories import import_target
from mml_lib.config.loading import load_study
from mml_lib.config.reading.layers import with_defaults
from mml_lib.config.reading.presets import preset_names
from mml_lib.config.reading.study_files import parse_values, read_study
from mml_lib.config.schema import StudyConfig
from mml_lib.engine.part_lists import list_parts
from mml_lib.errors import MMLError
from mml_lib.files.checksums import seal
from mml_lib.images.transforms import resolve
from mml_lib.pipelines.variants import expand
from mml_lib.tasks.creators import CREATORS
from mml_lib.tasks.creators.argument_checks import check_arguments
from mml_lib.tasks.tags.tag_registry import TAGS, parse_tag
from tests.support.places import REPOSITORY
from tests.texts.catalogue_table import table

CONFIG = REPOSITORY / "config"
PAGES = ["README.md", "config/README.md", *(f"config/guide/{path.name}" for path in CONFIG.glob("guide/*.md"))]
EXTENSION = REPOSITORY / "tests/workflow/extension"
OUTER_PIPELINE = REPOSITORY / "tests/workflow/outer_pipeline"
BASE = {
    "tasks": {name: {"creator": "fake"} for name in ("lesions", "vessels", "age", "archive")},
    "paths": {"presets": [str(CONFIG)]},
}
OWN = ("mine.", "shades.")
"""Modules of a user in the examples, which do not exist."""


@dataclass(frozen=True)
class Block:
    """A fenced code block of a page."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """Return the code blocks of all pages in some languages."""
    texts = {page: (REPOSITORY / page).read_text(encoding="utf-8") for page in PAGES}
    return [
        Block(page, text[: match.start()].count("\n") + 1, match[1], match[2])
        for page, text in texts.items()
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
        if match[1] in languages
    ]


def as_parameters(blocks: list[Block]) -> list[Any]:
    return [pytest.param(block, id=str(block)) for block in blocks]


def test_every_block_has_a_language_that_is_tested():
    text = "".join((REPOSITORY / page).read_text(encoding="utf-8") for page in PAGES)
    fences = re.findall(r"^```(\w*)$", text, re.M)
    assert set(fences) == {"", "yaml", "bash", "python"}
    assert len(blocks("")) == 1, "the output of the demo study"


@pytest.mark.parametrize(
    "group", ["arch", "augmentations", "callbacks", "decoder", "loss", "lr_scheduler", "optimizer", "trainer"]
)
def test_table_of_presets_is_complete(group: str):
    (row,) = re.findall(rf"^\| `{group}` \| (.*) \|$", (CONFIG / "guide/training.md").read_text("utf-8"), re.M)
    words = set(re.findall(r"\w+", row))
    missing = sorted(set(preset_names(group, [CONFIG])) - words)
    assert not missing, f"add {missing} to the row `{group}` of the table in config/guide/training.md"


def test_table_of_modes_is_complete():
    section = (CONFIG / "README.md").read_text("utf-8").partition("## Modes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \|", section, re.M)
    missing = sorted(set(preset_names("mode", [CONFIG])) - set(re.findall(r"\w+", " ".join(rows))))
    assert not missing, f"add {missing} to the table of modes in config/README.md"


# --- studies --------------------------------------------------------------------------------------------------------


def studies_of(text: str) -> Iterator[dict[str, Any]]:
    """Yield the study of a block; of a block that gives alternatives for a key, one study for each statement."""
    text = re.sub(r"sha256: (\w+)…", r"sha256: \g<1>" + "5" * 59 + "e", text.replace("[…]", "[]"))
    statements = re.split(r"^(?=\w)", text, flags=re.M)
    keys = [statement.partition(":")[0] for statement in statements if re.match(r"\w", statement)]
    for study in [text] if len(keys) == len(set(keys)) else statements[-len(keys) :]:
        yield yaml.safe_load(study)


def check_study(fragment: dict[str, Any]) -> StudyConfig:
    """Load a study and check names that only its parts know: creators, tags, transforms, options of modes, variants."""
    config = with_defaults(BASE, fragment)
    cfg = load_study(config)
    for name, task in cfg.tasks.items():
        for tag in name.split("+")[1:]:
            parse_tag(tag)
        if task is not None:
            check_arguments(CREATORS[task.creator], f"tasks.{name}", task)
    for name, dataset in cfg.datasets.items():
        check_arguments(CREATORS[dataset.creator], f"datasets.{name}", dataset)
    for tags in [cfg.tagging.all, *cfg.tagging.variants, cfg.pivot.tags]:
        for tag in tags.split("+")[1:]:
            parse_tag(tag)
    if not any(str(transform.target).startswith(OWN) for transform in cfg.preprocessing.transforms):
        resolve(cfg.preprocessing)
    for variant in expand(config):
        if not cfg.mode.scheduler.target.startswith(OWN):
            import_target(cfg.mode.scheduler.target).Options(**variant.study.mode.options)
    return cfg


@pytest.fixture
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the plugin and the rules that the guide names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for name in ("shades.py", "shades.smk"):
        (tmp_path / "mine" / name).write_text((EXTENSION / name).read_text())
    return tmp_path


@pytest.mark.usefixtures("own_files")
@pytest.mark.parametrize("block", as_parameters(blocks("yaml")))
def test_studies_of_the_guide_load(block: Block):
    for fragment in studies_of(block.text):
        if "heatmaps" in fragment.get("reuse", {}):  # a key of a plugin
            del fragment["reuse"]["heatmaps"]
        if "bone_age" not in block.text:  # a creator of a plugin
            check_study(fragment)


@pytest.mark.parametrize(
    "fragment",
    [
        {"optimiser": "adamw"},
        {"tasks": {"t": {"creator": "csv", "file": "a.csv"}}},
        {"tagging": {"all": "+subsett~0.1"}},
        {"preprocessing": ["resise"]},
        {"mode": {"preset": "train", "foldz": [0]}},
        {"sweep": {"bootstrap": [100]}},
    ],
    ids=str,
)
def test_mistakes_in_a_study_are_noticed(fragment: dict[str, Any]):
    with pytest.raises((MMLError, ValidationError)):
        check_study(fragment)


INLINE = re.compile(rf"`((?:{'|'.join(StudyConfig.model_fields)}): [^`…<]+)`")


@pytest.mark.parametrize("page", PAGES)
def test_options_within_the_text_load(page: str):
    for option in INLINE.findall((REPOSITORY / page).read_text(encoding="utf-8")):
        if "#run" not in option and "/" not in option:
            check_study(yaml.safe_load(" ".join(option.split())))


def targets_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (str(item) for key, item in value.items() if key == "_target_")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from targets_in(item)


def test_targets_of_the_guide_exist():
    studies = [study for block in blocks("yaml") for study in studies_of(block.text)]
    targets = {target for study in studies for target in targets_in(study) if not target.startswith(OWN)}
    assert targets
    for target in targets:
        import_target(target)


# --- commands -------------------------------------------------------------------------------------------------------


def commands(block: Block) -> list[list[str]]:
    """Return the words of each command of a block."""
    lines = re.split(r"\n|&&", block.text)
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def check_snakemake(words: list[str]) -> None:
    options = get_argument_parser().parse_args(words)
    for target in options.targets:
        assert target in preset_names("mode", [CONFIG]) or re.match(r"(data|results)/", target), target
    for file in options.configfile or []:
        assert re.fullmatch(r"my_study\.yaml|config/studies/\w+\.yaml", str(file)), file
        assert file.name == "my_study.yaml" or (REPOSITORY / file).is_file(), file
    for profile in options.profile or []:
        assert (REPOSITORY / "profiles" / profile).is_dir(), profile
    values: dict[str, Any] = {}
    for layer in parse_values(options.config or [], with_defaults(BASE)):
        values |= layer
    if (kind := values.pop("list", None)) is not None:
        list_parts(str(kind), [CONFIG])
    for study in values.get("clean", {}).get("studies", []):
        assert Path(str(study)).suffix == ".yaml"
    check_study(values)


def check_pytest(words: list[str]) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    markers = {marker.partition(":")[0] for marker in project["markers"]}
    for option, value in itertools.pairwise(words):
        if option == "-m":
            assert set(re.findall(r"\w+", value)) - {"and", "or", "not"} <= markers, value
    for word in words:
        assert "/" not in word or (REPOSITORY / word).exists(), word


def check_pip(words: list[str]) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    for extra in re.findall(r"\[(\w+)\]", " ".join(words)):
        assert extra in project["optional-dependencies"], extra


@pytest.mark.parametrize("block", as_parameters(blocks("bash")))
def test_commands_of_the_guide_exist(block: Block):
    for program, *words in commands(block):
        if program == "snakemake":
            check_snakemake(words)
        elif program == "pytest":
            check_pytest(words)
        elif program == "pip":
            check_pip(words)
        elif program == "python":
            assert words[0] == "-m"
            assert importlib.util.find_spec(words[1]), words[1]
        else:  # the profile's line is run by the tests of the cluster, the search for damage below
            assert program in ("mkdir", "cp", "export", "tensorboard", "find", "ssh"), program


def inline_commands() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        text = (REPOSITORY / page).read_text(encoding="utf-8")
        for command in re.findall(r"`((?:snakemake|pytest|pip|python -m) [^`]+)`", text):
            if "…" not in command:
                yield page, shlex.split(command)


def test_commands_within_the_text_exist():
    for _, (program, *words) in inline_commands():
        if program == "snakemake":
            check_snakemake(words)
        elif program == "pytest":
            check_pytest(words)
        elif program == "pip":
            check_pip(words)
        else:
            assert importlib.util.find_spec(words[1]), words[1]


def test_command_for_damaged_files_names_them_only(tmp_path: Path):
    (command,) = [block.text for block in blocks("bash") if block.text.startswith("find ")]
    for root in ("data", "results"):
        (tmp_path / root / "A").mkdir(parents=True)
        for name in ("whole", "damaged"):
            (tmp_path / root / "A" / name).write_text(name)
            seal(tmp_path / root / "A" / name)
        (tmp_path / root / "A" / "damaged").write_text("changed")
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.count("damaged: FAILED") == 2
    assert "whole" not in done.stdout


def test_studies_at_the_start_are_whole(tmp_path: Path):
    for page in ("README.md", "config/README.md"):
        first = next(block for block in blocks("yaml") if block.page == page)
        path = tmp_path / "study.yaml"
        path.write_text(first.text)
        assert list(read_study(path)) == ["project", "tasks"]


# --- Python ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", as_parameters(blocks("python")))
def test_python_of_the_guide_is_tested_code(block: Block):
    """Other tests run notebooks, and examples for them and of a reader; the rest is in the extension, or runs here."""
    if Path(block.page).name.startswith("notebook") or "@register_reader" in block.text:
        return
    if "from mml_lib.tasks.creators import" in block.text:  # tests/unit/tasks/test_own_creators.py runs them
        return
    if block.page.endswith("features.md"):  # tests/unit/test_interactive.py runs it
        return
    if block.page.endswith("using_networks.md"):  # tests/unit/deployment/test_predictor.py runs them
        return
    if "@register" in block.text:
        header = (
            "from pathlib import Path\n"
            "from mml_lib.tasks.creators import register_creator\n"
            "from mml_lib.tasks.tags import register_tag\n"
            "from mml_lib.tasks.dataset import Delivery\n"
            "from mml_lib.tasks.description import TaskDescription\n"
        )
        names = re.findall(r'@register_\w+\("(\w+)"\)', block.text)
        with_own_names = re.sub(r'(@register_\w+)\("(\w+)"\)', r'\1("guide_\2")', block.text)
        assert len(names) == 2
        exec(header + with_own_names, {"__name__": "guide"})
        assert (CREATORS.pop("guide_shapes").name, TAGS.pop("guide_first").usage) == (
            "guide_shapes",
            "guide_first~NUMBER",
        )
        return
    files = [*EXTENSION.glob("*.*"), OUTER_PIPELINE / "Snakefile"]
    sources = " ".join(" ".join(path.read_text().split()) for path in files if path.is_file())
    for line in block.text.splitlines():
        code = " ".join(line.partition("  #")[0].split()).removeprefix("step.get_struct().").removeprefix("step.")
        assert code in sources, line


# --- links ----------------------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_pages_and_headings(page: str):
    path = REPOSITORY / page
    for link in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        if name.startswith("http"):
            continue
        target = path.parent / name if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_files_and_modules_that_the_guide_names_exist():
    for page in PAGES:
        text = (REPOSITORY / page).read_text(encoding="utf-8")
        for name in re.findall(r"`((?:mml_lib|tests|config|profiles|rules|scripts)/[\w./]*)`", text):
            assert (REPOSITORY / name).exists(), f"{page}: {name}"
        for module, attribute in re.findall(r"`(mml_lib(?:\.[a-z_]+)+)(\.[A-Z]\w+)?`", text):
            assert importlib.util.find_spec(module), f"{page}: {module}{attribute}"


def test_every_page_of_the_guide_is_linked():
    text = (REPOSITORY / "config/README.md").read_text(encoding="utf-8")
    for page in CONFIG.glob("guide/*.md"):
        assert f"(guide/{page.name})" in text


@pytest.mark.parametrize(("page", "lines"), [("README.md", 120), ("config/README.md", 150)])
def test_first_pages_are_short(page: str, lines: int):
    assert (REPOSITORY / page).read_text(encoding="utf-8").count("\n") <= lines


def test_the_table_of_the_catalogue_is_that_of_its_entries():
    page = (REPOSITORY / "config/guide/catalogue.md").read_text(encoding="utf-8")
    assert page.endswith(f"\n\n{table()}"), "run: python -m tests.texts.catalogue_table"


def test_all_columns_of_operating_points_are_documented():
    from mml_lib.evaluation.operating import decision_curves, operating_points

    page = (CONFIG / "guide/operating_points.md").read_text(encoding="utf-8")
    measures = [name for name in operating_points.COLUMNS if not name.endswith(("_low", "_high"))]
    for column in (*measures, *decision_curves.COLUMNS):
        assert f"`{column}`" in page, column
