"""Sections of a methods text. Each function returns sentences, all of them facts from the files of the study."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from mml_lib.reports.methods.citations import SAMPLERS, cite, cite_network, cite_target
from mml_lib.reports.methods.facts import StudyFacts
from mml_lib.task_types import TASK_TYPES
from mml_lib.wording import counted, enumerated, markdown

BREAK = ""
"""Separator of paragraphs."""

NORMALIZATIONS = {
    "pretrained": "by the mean and standard deviation that the pretrained weights were trained with",
    "imagenet": "by the mean and standard deviation of ImageNet",
    "task": "by the mean and standard deviation of the training samples",
}
"""Texts of normalisations."""

VARIED = ("preprocessing", "arch", "augmentations", "loss", "optimizer", "lr_scheduler", "sampling", "trainer")
"""Sections in which the pipelines of a study often differ."""

SPLITS = {
    "test": "the test split",
    "val": "the validation split of each fold",
    "out_of_fold": "the predictions of all folds together, each sample predicted by the network that held it out",
}
"""Texts of splits."""

MERGED = {
    "mean": "the mean of the probabilities of its images",
    "vote": "the share of its images that predict it",
    "max": "the largest prediction of its images",
}
"""Texts of the options of `per_group`."""


def short(value: Any) -> str:
    """Return a number with few significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def either(items: Sequence[str]) -> str:
    """Return different parts of pipelines: the part, or all of them."""
    return f"{'; or '.join(items)}, depending on task and run" if len(items) > 1 else "".join(items)


def duration(seconds: float) -> str:
    """Return a time in the unit that fits."""
    unit, size = next(
        ((unit, size) for unit, size in (("hours", 3600), ("minutes", 60)) if seconds >= size), ("seconds", 1)
    )
    return f"{seconds / size:.3g} {unit}"


def call(section: Mapping[str, Any], *left_out: str) -> str:
    """Return a class or function with its arguments, as code."""
    name = section["_target_"].rpartition(".")[2]
    skipped = {"_target_", "interval", *left_out}
    arguments = [
        f"{key}={short(value)}"
        for key, value in section.items()
        if key not in skipped and value is not None and not str(value).startswith("${")
    ]
    return f"`{name}({', '.join(arguments)})`"


# --- data -----------------------------------------------------------------------------------------------------------


def data(facts: StudyFacts) -> Iterator[str]:
    """Yield sentences on the samples of each task, a paragraph for each."""
    for task in facts.tasks:
        kind, samples = TASK_TYPES[task["task_type"]], task["num_samples"]
        modality = task["modalities"].get("image", "")
        words = f"{kind.title}{f'; {markdown(modality)}' if modality else ''}"
        yield f"The task {markdown(task['name'])} ({words}) has {counted(samples['all'], 'sample')}"
        if kind.name in ("classification", "multilabel_classification") and task["classes"]:
            noun = "classes" if kind.name == "classification" else "labels"
            yield f"It has {len(task['classes'])} {noun}: {enumerated(list(map(markdown, task['classes'])))}"
        if task["imbalance_ratio"]:
            yield f"The largest class has {task['imbalance_ratio']:.3g} times as many training samples as the smallest"
        sizes = task["sizes"]
        low, high = (f"{sizes[f'{end}_width']} × {sizes[f'{end}_height']}" for end in ("min", "max"))
        yield f"Images measure {low} pixels" if low == high else f"Images measure {low} to {high} pixels"
        if task["reference"]:
            yield f"Source of the data: {markdown(task['reference'].rstrip('.'))}"
        if task["license"]:
            yield f"Licence of the data: {markdown(task['license'])}"
        if len(task["protocol"]) > 1:
            yield f"The task was derived in these steps: {'; '.join(map(markdown, task['protocol']))}"
        yield BREAK


def divisions(facts: StudyFacts) -> Iterator[str]:
    """Yield sentences on test splits, folds and groups, a paragraph for each task."""
    for task in facts.tasks:
        name, samples, folds = markdown(task["name"]), task["num_samples"], task["num_folds"]
        if not samples.get("train"):
            yield f"No network was trained on {name}, whose samples are without labels or for tests only"
            yield BREAK
            continue
        if samples.get("test"):
            drawn = task.get("test_fraction") is not None
            how = f"was drawn at random (seed {task['seed']})" if drawn else "is given by the data"
            yield f"The test split of {name}, {counted(samples['test'], 'sample')}, {how}"
            yield f"The other {counted(samples['train'], 'sample')} are for training and validation"
        else:
            yield f"{name} has no test split; all {counted(samples['train'], 'sample')} are for training and validation"
        if facts.evaluation["nested"]:
            yield f"Each of {folds} folds was held out in turn; the other folds alone trained and chose networks"
        elif folds > 1:
            yield f"They were divided into {folds} folds; a network was validated on one and trained on the others"
        if number := facts.groups.get(task["name"]):
            yield f"There are {counted(number, 'group')} (such as patients), each of them in one part only"
        yield BREAK


# --- networks and training ------------------------------------------------------------------------------------------


def preprocessing(facts: StudyFacts) -> Iterator[str]:
    """Yield sentences on preprocessing, normalisation and augmentation."""
    if section := facts.shared("preprocessing"):
        names = [
            item if isinstance(item, str) else item.get("name") or item["_target_"] for item in section["transforms"]
        ]
        height, width = section["size"]
        if names:
            yield f"Images were preprocessed by {enumerated(list(map(markdown, names)))} to {width} × {height} pixels"
        else:
            yield "Images were used at their own size"
    if words := NORMALIZATIONS.get(facts.shared("normalization") or ""):
        yield f"They were normalised {words}"
    for section in facts.values("augmentations"):
        yield from _augmentations(section or {})


def _augmentations(section: Mapping[str, Any]) -> Iterator[str]:
    for kind, transforms in section.items():
        of_kind = "" if kind == "transforms" else f" of {TASK_TYPES[kind].title} tasks"
        if not transforms:
            yield f"Training images{of_kind} were not augmented"
            continue
        library = cite("riba2020kornia" if any("kornia" in part["_target_"] for part in transforms) else None)
        parts = enumerated([call(part) for part in transforms])
        yield f"Training images{of_kind} were augmented at random by {parts}{library}"


def networks(facts: StudyFacts) -> Iterator[str]:
    """Yield sentences on architectures and their initial weights."""
    for arch in facts.values("arch"):
        name = str(arch.get("name", "") or arch["_target_"].rpartition(".")[2])
        library = f" as implemented in timm{cite('wightman2019timm')}" if "timm_backbone" in arch["_target_"] else ""
        yield f"The backbone was `{name}`{cite_network(name)}{library}"
        if not any(facts.values("pretraining")):
            yield f"It began with {'pretrained' if arch.get('pretrained') else 'random'} weights"
    for decoder in facts.values("decoder"):
        if decoder:
            library = f"Segmentation Models PyTorch{cite('iakubovskii2019smp')}"
            yield f"The decoder was {call(decoder)}{cite_target(decoder)} in {library}"
    for source in facts.values("pretraining"):
        if source:
            task_name = markdown(source.get("task", ""))
            yield f"Trainings began with the backbone of a network trained on the task {task_name}"
    if facts.shared("frozen"):
        yield "The backbone was frozen"
    if facts.shared("adapters"):
        yield f"Low-rank adapters were trained in place of the backbone's weights{cite('hu2022lora')}"
    counts = sorted({model["num_parameters"] for model in facts.models})
    if counts:
        number = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
        yield f"Networks have {number} trainable parameters"


def training(facts: StudyFacts) -> Iterator[str]:
    """Yield sentences on loss, optimizer, schedule and duration."""
    losses = [part for loss in facts.values("loss") for part in _parts(loss)]
    yield f"The loss was {either([f'{call(loss)}{cite_target(loss)}' for loss in losses])}"
    optimizers = [f"{call(optimizer)}{cite_target(optimizer)}" for optimizer in facts.values("optimizer")]
    yield f"The optimizer was {either(optimizers)}"
    schedules = [
        f"followed {call(schedule)}{cite_target(schedule)}" if schedule else "was constant"
        for schedule in facts.values("lr_scheduler")
    ]
    yield f"The learning rate {either(schedules)}"
    sizes, epochs = facts.values("sampling.batch_size"), facts.values("trainer.max_epochs")
    precision = enumerated([str(value).removesuffix("-true") for value in facts.values("trainer.precision")])
    yield f"Batches had {enumerated([short(size) for size in sizes])} samples"
    lengths = enumerated([counted(number, "epoch") for number in epochs])
    yield f"Networks were trained for {lengths} in {precision}-bit precision"
    if mixing := facts.shared("mixing"):
        keys = [key for key, name in (("zhang2018mixup", "mixup"), ("yun2019cutmix", "cutmix")) if mixing.get(name)]
        yield f"Images of a batch were mixed{cite(*keys)}"
    if facts.shared("class_weights"):
        yield f"Classes were weighted in the loss ({markdown(facts.shared('class_weights'))})"
    for callback in (facts.shared("callbacks") or {}).values():
        yield f"Further: {call(callback)}{cite_target(callback)}"
    best = facts.shared("store_best")
    yield (
        f"The weights of the epoch with the best {best} on the validation split were kept"
        if best
        else "The weights after the last epoch were kept"
    )
    seeds = sorted({seed for seed in facts.values("seed") if seed is not None})
    yield f"Trainings drew random numbers from seed{'s' * (len(seeds) > 1)} {enumerated([str(seed) for seed in seeds])}"


def _parts(loss: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """Return the losses of a pipeline: one, or one of each task type."""
    if loss is None:
        return []
    return [loss] if "_target_" in loss else [part for part in loss.values() if part]


def hyperparameters(facts: StudyFacts) -> Iterator[str]:
    """Yield sentences on how hyper-parameters were chosen."""
    for search in facts.searches:
        ranges = [_range(parameter) for parameter in search["space"]]
        sampler = cite(SAMPLERS.get(search["sampler"]), "akiba2019optuna")
        goals, folds = enumerated(list(map(markdown, search["objective"]))), enumerated(list(map(str, search["folds"])))
        yield (
            f"Hyper-parameters were chosen among {counted(search['trials'], 'trial')}, proposed by the sampler "
            f"{search['sampler']}{sampler}, by {goals} on the validation split of fold {folds}"
        )
        yield f"The space was {'; '.join(ranges)}"
        for key, reference in (("halving", "li2020asha"), ("hyperband", "li2018hyperband")):
            if key in search:
                options = search[key]
                yield (
                    f"Worse trials were stopped early by {key}{cite(reference)}: first after "
                    f"{counted(options['min_epochs'], 'epoch')}, where one trial of {options['factor']} was continued"
                )
    if facts.shared("tune"):
        yield "Batch size or learning rate were tuned before each training by a range test on the training samples"
    keys = [key for key in VARIED if facts.differs(key)]
    if keys and not facts.searches:
        table = f"{facts.evaluation['mode']}-runs.csv"
        yield f"The study compared pipelines that differ in {enumerated(keys)}; `{table}` lists the differences"
    if not facts.searches and not keys and not facts.shared("tune"):
        yield "No hyper-parameter was searched or tuned in this study"


def _range(parameter: Mapping[str, Any]) -> str:
    if parameter["choices"]:
        choices = list(map(markdown, parameter["choices"]))
        return f"`{parameter['key']}` among {enumerated(choices)}"
    scale = " on a logarithmic scale" if parameter["log"] else ""
    return f"`{parameter['key']}` from {short(parameter['low'])} to {short(parameter['high'])}{scale}"


# --- evaluation and software ----------------------------------------------------------------------------------------


def evaluation(facts: StudyFacts) -> Iterator[str]:
    """Yield sentences on metrics, intervals and comparisons."""
    if splits := list(dict.fromkeys(row["split"] for row in facts.rows)):
        yield f"Results are those on {enumerated([SPLITS.get(split, split) for split in splits])}"
    rows = [row for row in facts.rows if row.get("kind") != "run" and row.get("runs") and row.get("folds")]
    if networks := {int(row["runs"]) * int(row["folds"]) for row in rows}:
        yield f"Each result is the mean over {' or '.join(str(number) for number in sorted(networks))} networks"
    for task_type, metrics in facts.metrics.items():
        described = [f"`{name}` ({description})" for name, description in metrics.items()]
        yield f"Metrics of {TASK_TYPES[task_type].title}: {'; '.join(described)}"
    options = facts.evaluation
    if facts.groups and options["per_group"]:
        yield f"Metrics per group take {MERGED[options['per_group']]}"
    if options["weighted_metrics"]:
        yield "Samples are weighted in the metrics"
    if options["tta"]:
        yield "Predictions are means over augmented copies of each image (test-time augmentation)"
    if options["bootstrap"]:
        whole = "whole groups where samples have groups, else samples" if facts.groups else "samples"
        subjects = {row.get("about") for row in facts.rows}
        resamples = f"{options['bootstrap']:,} bootstrap resamples of {whole}"
        yield f"Intervals are 95 % intervals from {resamples}{cite('efron1993bootstrap')}"
        if "procedure" in subjects:
            yield "They include the variance between trainings with other seeds and folds, given the training set"
        if "networks" in subjects:
            yield "Those marked `networks` hold for these networks alone, and leave out the variance between trainings"
    if options["compared"] > 1:
        yield (
            "Procedures were compared with the best one on the same samples and folds; p values were corrected for the "
            f"number of comparisons{cite('holm1979')}"
        )


def software(facts: StudyFacts) -> Iterator[str]:
    """Yield sentences on software and hardware."""
    versions: dict[str, list[str]] = {}
    for model in facts.models:
        for name, version in model["versions"].items():
            if version not in versions.setdefault(name, []):
                versions[name].append(version)
    references = {"torch": cite("paszke2019pytorch"), "timm": cite("wightman2019timm")}
    if versions:
        words = [f"{name} {' and '.join(of_name)}{references.get(name, '')}" for name, of_name in versions.items()]
        yield f"Networks were trained with {enumerated(words)}"
    lightning = cite("falcon2019lightning")
    yield f"Snakemake{cite('molder2021snakemake')} ran the steps of the study, Lightning{lightning} the trainings"
    if devices := list(dict.fromkeys(model["device"] for model in facts.models)):
        seconds = [model["training_time"] for model in facts.models]
        parts = [markdown(name) for model in facts.models for name in model.get("hardware", {}).values()]
        machines = f" ({'; '.join(dict.fromkeys(parts))})" if parts else ""
        yield f"Trainings ran on {enumerated(devices)}{machines}; the median training took {duration(median(seconds))}"
        yield f"The {counted(len(seconds), 'network')} of this text took {duration(sum(seconds))} together"
        energy = [model["energy_kwh"] for model in facts.models if model.get("energy_kwh") is not None]
        if len(energy) == len(seconds):
            yield f"Counters of processors and GPUs measured {sum(energy):.3g} kWh while they were trained"
