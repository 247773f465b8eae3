"""Assignment templates: patterns of the paths of artefacts, checked at registration."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from mml_lib.errors import MMLError, nearest

ROOTS = ("DATA_PATH", "PROJ_PATH", "TEMP_PATH")

TOKENS = {
    "TASK_NAME": ("task", r"[A-Za-z0-9][A-Za-z0-9_.+~-]*"),
    "TASK_ID": ("task_id", r"[0-9a-f]{8}"),
    "DATASET": ("dataset", r"DSET_[A-Za-z0-9_.-]+"),
    "PACK_ID": ("pack", r"[a-z0-9_]+-[0-9a-f]{8}"),
    "SHARD": ("shard", r"\d+of\d+"),
    "DIGEST": ("sha256", r"[0-9a-f]{64}"),
    "CHECKSUM": ("checksum", r"[0-9a-f]{64}|(?:md5|url)-[0-9a-f]{32}"),
    "RUN": ("run", r"[0-9a-f]{8}"),
    "FOLD": ("fold", r"\d+"),
    "EVAL_TASK": ("eval_task", r"[A-Za-z0-9][A-Za-z0-9_.+~-]*"),
    "EVAL": ("eval", r"val|test|unlabelled"),
    "MODE": ("mode", r"[a-z][a-z0-9_]+"),
    "BACKUP": ("backup", r"\d+"),
    "EXTRACTOR": ("extractor", r"[A-Za-z0-9][A-Za-z0-9_.+~-]*-[0-9a-f]{8}"),
    "CURVE": ("curve", r"[A-Za-z0-9][A-Za-z0-9_.+~-]*"),
    "SOURCE": ("source", r"[A-Za-z0-9][A-Za-z0-9_.+~-]*"),
    "MEASURE": ("measure", r"[a-z][a-z0-9_]*"),
    "NUMBER": ("number", r"[1-9]\d*"),
    "SEARCH_ID": ("search", r"[0-9a-f]{8}"),
    "RUNG": ("rung", r"\d+"),
    "METRIC": ("metric", r"[a-z][a-z0-9_]*"),
    "EXPORT": ("export", r"[0-9a-f]{8}|best|ensemble"),
    "COLLECTION": ("collection", r"[A-Za-z0-9][A-Za-z0-9_.+~-]*"),
    "FILE_NAME": ("file_name", r"[A-Za-z0-9][A-Za-z0-9_.+~-]*"),
}
"""Wildcard of each token in rules, and the regular expression of its values."""

ARGUMENTS = {wildcard: token for token, (wildcard, _) in TOKENS.items()} | {"task_name": "TASK_NAME"}

MANIFEST = "dataset.json"
"""Name of the manifest in the folder of a data set."""

_ALLOWED = dict(TOKENS.values())

# `RUN`, `foldFOLD`: a token, optionally after lower-case letters, bounded by `-`, `.` or the ends of its part.
_TOKEN = re.compile(rf"(?<![^-.])(?P<lead>[a-z]*)(?P<token>{'|'.join(TOKENS)})(?![^-.])")
_CAPITALS = re.compile(r"(?<![A-Za-z_])[a-z]*(?P<word>[A-Z][A-Z_]*[A-Z])(?![A-Za-z_])")


@dataclass(frozen=True)
class AssignmentTemplate:
    """Pattern of the paths of one key's artefacts, for instance `PROJ_PATH/MODELS/TASK_NAME/RUN-foldFOLD.json`.

    Args:
        key: name of the kind of artefact.
        path: root, folders and file name, with tokens.
        obj_cls: type of the stored objects.
        reusable: True if other projects may read the artefact.
        removable: True if `remove.<key>` may remove it.
        directory: True if the artefact is a folder.
        temp: True if it is removed after its last consumer, like all artefacts below TEMP_PATH.
    """

    key: str
    path: str
    obj_cls: type | None = None
    reusable: bool = False
    removable: bool = True
    directory: bool = False
    temp: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.key):
            raise self._error("a key is a lower-case word")
        parts = self.path.split("/")
        if not parts[0] or parts[0] not in ROOTS:
            raise self._error(f"a template begins with one of {', '.join(ROOTS)}")
        if len(parts) < 2 or any(part in ("", ".", "..") for part in parts):
            raise self._error("a template is a file below its root, without '..' and empty parts")
        if self.reusable and (self.root != "PROJ_PATH" or self.temporary):
            raise self._error("reusable artefacts must be below PROJ_PATH and not temporary")
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", "".join(parts)):
            raise self._error("a template may contain letters, digits, '_', '-' and '.' only")
        for part in parts[1:]:
            self._check_tokens(part, last=part is parts[-1])

    def _check_tokens(self, part: str, last: bool) -> None:
        literal = _TOKEN.sub("", part)
        for match in _CAPITALS.finditer(literal):
            word = match["word"]
            # A folder may be named in capitals, but not nearly like a token.
            misspelt = "_" in word and get_close_matches(word, TOKENS, n=1, cutoff=0.8)
            if word in ROOTS or last or misspelt:
                raise self._error(f"unknown token '{word}'{nearest(word, TOKENS)}")
        if sorted(set(self.tokens)) != sorted(self.tokens):
            raise self._error("a token may appear only once in a template")

    def _error(self, why: str) -> MMLError:
        return MMLError(f"assignment path '{self.key}' ({self.path}): {why}")

    @cached_property
    def root(self) -> str:
        """Token of the root."""
        return PurePosixPath(self.path).parts[0]

    @cached_property
    def tokens(self) -> list[str]:
        """Tokens below the root, in order."""
        return [match["token"] for part in self.path.split("/")[1:] for match in _TOKEN.finditer(part)]

    @property
    def temporary(self) -> bool:
        """True if Snakemake always removes the artefact after its last consumer."""
        return self.temp or self.root == "TEMP_PATH"

    @cached_property
    def below(self) -> str:
        """Pattern below the root, with Snakemake wildcards."""
        parts = self.path.split("/")[1:]
        return "/".join(_TOKEN.sub(lambda m: f"{m['lead']}{{{TOKENS[m['token']][0]}}}", part) for part in parts)

    def read(self, path: str) -> dict[str, str] | None:
        """Return the wildcards of a path below the root; None if the path does not match the template."""
        match = self._expression.fullmatch(path)
        return match.groupdict() if match else None

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        """The regular expression of paths below the root."""
        pattern = re.sub(r"\\\{(\w+)\\\}", lambda m: f"(?P<{m[1]}>{_ALLOWED[m[1]]})", re.escape(self.below))
        return re.compile(pattern)

    def fill(self, **values: Any) -> str:
        """Return the path below the root for values of the tokens, by wildcard.

        Raises:
            MMLError: a value is missing, unknown, or not allowed for its token.
        """
        by_wildcard = {}
        for argument, value in values.items():
            if argument not in ARGUMENTS:
                raise self._error(f"unknown argument '{argument}'{nearest(argument, ARGUMENTS)}")
            wildcard, allowed = TOKENS[ARGUMENTS[argument]]
            if not re.fullmatch(allowed, str(value)):
                raise self._error(f"'{value}' is not allowed for {ARGUMENTS[argument]}")
            by_wildcard[wildcard] = value
        missing = [token for token in self.tokens if TOKENS[token][0] not in by_wildcard]
        if missing:
            raise self._error(f"a value of {', '.join(missing)} is missing")
        return self.below.format(**by_wildcard)


BUILT_IN = (
    # shared by studies
    AssignmentTemplate("download", "DATA_PATH/DOWNLOADS/CHECKSUM/FILE_NAME", removable=False),
    AssignmentTemplate("dataset", f"DATA_PATH/RAW/DATASET/{MANIFEST}", removable=False),
    AssignmentTemplate("description", "DATA_PATH/TASKS/TASK_NAME/TASK_ID.json", removable=False),
    AssignmentTemplate("shard", "DATA_PATH/PREPROCESSED/DATASET/PACK_ID-SHARD", directory=True, temp=True),
    AssignmentTemplate("early_pack", "DATA_PATH/PREPROCESSED/DATASET/PACK_ID-early", directory=True, temp=True),
    AssignmentTemplate("packed", "DATA_PATH/PREPROCESSED/DATASET/PACK_ID", directory=True),
    # kept by a project
    AssignmentTemplate("pipeline", "PROJ_PATH/PIPELINES/TASK_NAME/RUN.yaml", reusable=True, removable=False),
    AssignmentTemplate("parameters", "PROJ_PATH/PARAMETERS/TASK_NAME/RUN-foldFOLD.safetensors", reusable=True),
    AssignmentTemplate("models", "PROJ_PATH/MODELS/TASK_NAME/RUN-foldFOLD.json", reusable=True, removable=False),
    AssignmentTemplate("overlaps", "PROJ_PATH/INFO/overlaps-DIGEST.json", removable=False),
    AssignmentTemplate("tuning", "PROJ_PATH/TUNING/TASK_NAME/RUN-foldFOLD.json", removable=False),
    AssignmentTemplate("selection", "PROJ_PATH/SELECTIONS/TASK_NAME/RUN.json", removable=False),
    AssignmentTemplate("blueprint", "PROJ_PATH/BLUEPRINTS/TASK_NAME/MODE.yaml", reusable=True, removable=False),
    AssignmentTemplate(
        "suggestion", "PROJ_PATH/BLUEPRINTS/TASK_NAME/suggestion-NUMBER.yaml", reusable=True, removable=False
    ),
    AssignmentTemplate("suggestion_account", "PROJ_PATH/BLUEPRINTS/TASK_NAME/suggestions.md", removable=False),
    AssignmentTemplate("suggestion_pages", "PROJ_PATH/PLOTS/suggest/TASK_NAME", removable=False, directory=True),
    AssignmentTemplate("history", "PROJ_PATH/HISTORY/TASK_NAME/RUN-foldFOLD.csv"),
    AssignmentTemplate("checkpoint", "PROJ_PATH/CHECKPOINTS/TASK_NAME/RUN-foldFOLD", removable=False),
    AssignmentTemplate("tensorboard", "PROJ_PATH/TENSORBOARD/TASK_NAME/RUN-foldFOLD", removable=False),
    AssignmentTemplate("logger", "PROJ_PATH/LOGGERS/TASK_NAME/RUN-foldFOLD", removable=False),
    AssignmentTemplate("predictions", "PROJ_PATH/PREDICTIONS/TASK_NAME/RUN-foldFOLD/EVAL.npz", reusable=True),
    AssignmentTemplate("metrics", "PROJ_PATH/METRICS/TASK_NAME/RUN-foldFOLD/EVAL.json"),
    AssignmentTemplate("resampled_metrics", "PROJ_PATH/METRICS/TASK_NAME/RUN-foldFOLD/EVAL.npz"),
    AssignmentTemplate(
        "other_predictions", "PROJ_PATH/PREDICTIONS/TASK_NAME/RUN-foldFOLD/EVAL_TASK/EVAL.npz", reusable=True
    ),
    AssignmentTemplate("other_metrics", "PROJ_PATH/METRICS/TASK_NAME/RUN-foldFOLD/EVAL_TASK/EVAL.json"),
    AssignmentTemplate("other_resampled_metrics", "PROJ_PATH/METRICS/TASK_NAME/RUN-foldFOLD/EVAL_TASK/EVAL.npz"),
    AssignmentTemplate("fisher", "PROJ_PATH/FISHER/TASK_NAME/RUN-foldFOLD.npz", reusable=True),
    AssignmentTemplate("out_of_fold_class_metrics", "PROJ_PATH/METRICS/TASK_NAME/RUN/out_of_fold-classes.csv"),
    AssignmentTemplate("out_of_fold_image_metrics", "PROJ_PATH/METRICS/TASK_NAME/RUN/out_of_fold-images.csv"),
    AssignmentTemplate("class_metrics", "PROJ_PATH/METRICS/TASK_NAME/RUN-foldFOLD/EVAL-classes.csv"),
    AssignmentTemplate("image_metrics", "PROJ_PATH/METRICS/TASK_NAME/RUN-foldFOLD/EVAL-images.csv"),
    AssignmentTemplate("other_class_metrics", "PROJ_PATH/METRICS/TASK_NAME/RUN-foldFOLD/EVAL_TASK/EVAL-classes.csv"),
    AssignmentTemplate("other_image_metrics", "PROJ_PATH/METRICS/TASK_NAME/RUN-foldFOLD/EVAL_TASK/EVAL-images.csv"),
    AssignmentTemplate("out_of_fold_predictions", "PROJ_PATH/PREDICTIONS/TASK_NAME/RUN/out_of_fold.npz"),
    AssignmentTemplate("out_of_fold_metrics", "PROJ_PATH/METRICS/TASK_NAME/RUN/out_of_fold.json"),
    AssignmentTemplate("out_of_fold_resampled_metrics", "PROJ_PATH/METRICS/TASK_NAME/RUN/out_of_fold.npz"),
    AssignmentTemplate("calibrated", "PROJ_PATH/CALIBRATED/TASK_NAME/RUN-foldFOLD/EVAL.npz", reusable=True),
    AssignmentTemplate("calibration", "PROJ_PATH/CALIBRATED/TASK_NAME/RUN-foldFOLD/EVAL.json"),
    AssignmentTemplate(
        "other_calibrated", "PROJ_PATH/CALIBRATED/TASK_NAME/RUN-foldFOLD/EVAL_TASK/EVAL.npz", reusable=True
    ),
    AssignmentTemplate("other_calibration", "PROJ_PATH/CALIBRATED/TASK_NAME/RUN-foldFOLD/EVAL_TASK/EVAL.json"),
    AssignmentTemplate("features", "PROJ_PATH/FEATURES/TASK_NAME/EXTRACTOR-TASK_ID.npz", reusable=True),
    AssignmentTemplate(
        "feature_parts", "PROJ_PATH/FEATURES/TASK_NAME/EXTRACTOR-TASK_ID-parts", removable=False, directory=True
    ),
    AssignmentTemplate("baseline_probe", "PROJ_PATH/BASELINES/TASK_NAME/RUN-foldFOLD/probe.npz"),
    AssignmentTemplate("baseline_predictions", "PROJ_PATH/BASELINES/TASK_NAME/RUN-foldFOLD/EVAL.npz"),
    AssignmentTemplate("baseline_metrics", "PROJ_PATH/BASELINES/TASK_NAME/RUN-foldFOLD/EVAL.json"),
    AssignmentTemplate("baseline_resampled_metrics", "PROJ_PATH/BASELINES/TASK_NAME/RUN-foldFOLD/EVAL-resampled.npz"),
    AssignmentTemplate("pooled_baseline_predictions", "PROJ_PATH/BASELINES/TASK_NAME/RUN/out_of_fold.npz"),
    AssignmentTemplate("pooled_baseline_metrics", "PROJ_PATH/BASELINES/TASK_NAME/RUN/out_of_fold.json"),
    AssignmentTemplate(
        "pooled_baseline_resampled_metrics", "PROJ_PATH/BASELINES/TASK_NAME/RUN/out_of_fold-resampled.npz"
    ),
    AssignmentTemplate("sample_metadata", "PROJ_PATH/METADATA/TASK_NAME.csv", removable=False),
    AssignmentTemplate("ensemble", "PROJ_PATH/ENSEMBLES/TASK_NAME/MODE.json", removable=False),
    AssignmentTemplate("ensemble_predictions", "PROJ_PATH/ENSEMBLES/TASK_NAME/MODE/EVAL.npz"),
    AssignmentTemplate("leaderboard", "PROJ_PATH/COMPARISONS/TASK_NAME/MODE/leaderboard.csv", removable=False),
    AssignmentTemplate("run_differences", "PROJ_PATH/COMPARISONS/TASK_NAME/MODE/differences.csv", removable=False),
    AssignmentTemplate("fold_tests", "PROJ_PATH/COMPARISONS/TASK_NAME/MODE/folds.csv", removable=False),
    AssignmentTemplate("class_results", "PROJ_PATH/COMPARISONS/TASK_NAME/MODE/classes.csv", removable=False),
    AssignmentTemplate("group_results", "PROJ_PATH/COMPARISONS/TASK_NAME/MODE/groups.csv", removable=False),
    AssignmentTemplate("calibration_errors", "PROJ_PATH/COMPARISONS/TASK_NAME/MODE/calibration.csv", removable=False),
    AssignmentTemplate("explanations", "PROJ_PATH/EXPLANATIONS/TASK_NAME/MODE.npz", removable=False),
    AssignmentTemplate("explained_images", "PROJ_PATH/EXPLANATIONS/TASK_NAME/MODE.csv", removable=False),
    AssignmentTemplate("explanation_figures", "PROJ_PATH/EXPLANATIONS/TASK_NAME/MODE", removable=False, directory=True),
    AssignmentTemplate("operating_points", "PROJ_PATH/OPERATING/TASK_NAME/MODE.csv", removable=False),
    AssignmentTemplate("decision_curves", "PROJ_PATH/OPERATING/TASK_NAME/MODE-curves.csv", removable=False),
    AssignmentTemplate("operating_figures", "PROJ_PATH/OPERATING/TASK_NAME/MODE", removable=False, directory=True),
    AssignmentTemplate("figures", "PROJ_PATH/FIGURES/TASK_NAME/MODE", removable=False, directory=True),
    AssignmentTemplate("summary", "PROJ_PATH/RESULTS/MODE.csv", removable=False),
    AssignmentTemplate("fold_metrics", "PROJ_PATH/RESULTS/MODE-folds.csv", removable=False),
    AssignmentTemplate("ablation", "PROJ_PATH/RESULTS/MODE-ablation.csv", removable=False),
    AssignmentTemplate("ablation_latex", "PROJ_PATH/RESULTS/MODE-ablation.tex", removable=False),
    AssignmentTemplate("ablation_page", "PROJ_PATH/PLOTS/MODE/ablation.html", removable=False),
    AssignmentTemplate("task_scores", "PROJ_PATH/RESULTS/MODE-tasks.csv", removable=False),
    AssignmentTemplate("task_ranks", "PROJ_PATH/RESULTS/MODE-ranks.csv", removable=False),
    AssignmentTemplate("task_tests", "PROJ_PATH/RESULTS/MODE-tests.csv", removable=False),
    AssignmentTemplate("task_plots", "PROJ_PATH/PLOTS/MODE/across_tasks", removable=False, directory=True),
    AssignmentTemplate("curve", "PROJ_PATH/CURVES/CURVE/MODE.csv", removable=False),
    AssignmentTemplate("curve_fit", "PROJ_PATH/CURVES/CURVE/MODE-fit.csv", removable=False),
    AssignmentTemplate("curve_plots", "PROJ_PATH/PLOTS/MODE/curves/CURVE", removable=False, directory=True),
    AssignmentTemplate("distances", "PROJ_PATH/DISTANCES/MEASURE.csv", reusable=True, removable=False),
    AssignmentTemplate("pair_distance", "PROJ_PATH/DISTANCES/MEASURE-pairs/SOURCE/TASK_NAME.json", removable=False),
    AssignmentTemplate("pair_distances", "PROJ_PATH/DISTANCES/MEASURE-pairs.csv", removable=False),
    AssignmentTemplate("distance_plots", "PROJ_PATH/DISTANCES/MEASURE-plots", removable=False, directory=True),
    AssignmentTemplate("transfer", "PROJ_PATH/TRANSFER/METRIC.csv", removable=False),
    AssignmentTemplate("transfer_gains", "PROJ_PATH/TRANSFER/METRIC-gains.csv", removable=False),
    AssignmentTemplate("transfer_distances", "PROJ_PATH/TRANSFER/METRIC-distances.csv", removable=False),
    AssignmentTemplate("transfer_plots", "PROJ_PATH/TRANSFER/METRIC", removable=False, directory=True),
    AssignmentTemplate("study_config", "PROJ_PATH/RESULTS/MODE-study.yaml", removable=False),
    AssignmentTemplate("run_table", "PROJ_PATH/RESULTS/MODE-runs.csv", removable=False),
    AssignmentTemplate("run_times", "PROJ_PATH/RESULTS/MODE-times.csv", removable=False),
    AssignmentTemplate("methods", "PROJ_PATH/RESULTS/MODE-methods.md", removable=False),
    AssignmentTemplate("references", "PROJ_PATH/RESULTS/MODE-references.bib", removable=False),
    AssignmentTemplate("pages", "PROJ_PATH/PAGES/MODE", removable=False, directory=True),
    AssignmentTemplate("report", "PROJ_PATH/REPORTS/MODE.html", removable=False),
    AssignmentTemplate("report_tables", "PROJ_PATH/REPORTS/MODE-tables", removable=False, directory=True),
    AssignmentTemplate("export", "PROJ_PATH/EXPORTS/TASK_NAME/EXPORT", removable=False, directory=True),
    AssignmentTemplate("applied", "PROJ_PATH/APPLIED/COLLECTION.csv", removable=False),
    AssignmentTemplate("refused_images", "PROJ_PATH/APPLIED/refused/COLLECTION.csv", removable=False),
    AssignmentTemplate("applied_masks", "PROJ_PATH/APPLIED/COLLECTION-masks", removable=False, directory=True),
    AssignmentTemplate("task_table", "PROJ_PATH/INFO/tasks.csv", removable=False),
    AssignmentTemplate("label_table", "PROJ_PATH/INFO/labels.csv", removable=False),
    AssignmentTemplate("all_samples", "PROJ_PATH/INFO/samples.png", removable=False),
    AssignmentTemplate("model_table", "PROJ_PATH/INFO/models.csv", removable=False),
    AssignmentTemplate("resource_table", "PROJ_PATH/INFO/resources.csv", removable=False),
    AssignmentTemplate("run_explanation", "PROJ_PATH/INFO/run-RUN.yaml", removable=False),
    AssignmentTemplate("unused", "PROJ_PATH/INFO/unused.csv", removable=False),
    AssignmentTemplate("task_samples", "PROJ_PATH/INFO/TASK_NAME/samples.png", removable=False),
    AssignmentTemplate("task_classes", "PROJ_PATH/INFO/TASK_NAME/classes.png", removable=False),
    AssignmentTemplate("dimension", "PROJ_PATH/INFO/TASK_NAME/dimension.csv", removable=False),
    AssignmentTemplate("dimension_plot", "PROJ_PATH/INFO/dimension.svg", removable=False),
    AssignmentTemplate("image_measures", "PROJ_PATH/AUDIT/TASK_NAME/measures.npz"),
    AssignmentTemplate("neighbours", "PROJ_PATH/AUDIT/TASK_NAME/neighbours.npz"),
    AssignmentTemplate("probe_predictions", "PROJ_PATH/AUDIT/TASK_NAME/predictions.npz"),
    AssignmentTemplate("near_duplicates", "PROJ_PATH/AUDIT/TASK_NAME/duplicates.csv", removable=False),
    AssignmentTemplate("shared_duplicates", "PROJ_PATH/AUDIT/duplicates.csv", removable=False),
    AssignmentTemplate("label_errors", "PROJ_PATH/AUDIT/TASK_NAME/labels.csv", removable=False),
    AssignmentTemplate("confusable_classes", "PROJ_PATH/AUDIT/TASK_NAME/classes.csv", removable=False),
    AssignmentTemplate("outliers", "PROJ_PATH/AUDIT/TASK_NAME/outliers.csv", removable=False),
    AssignmentTemplate("image_faults", "PROJ_PATH/AUDIT/TASK_NAME/images.csv", removable=False),
    AssignmentTemplate("shortcuts", "PROJ_PATH/AUDIT/TASK_NAME/shortcuts.csv", removable=False),
    AssignmentTemplate("sample_map", "PROJ_PATH/AUDIT/TASK_NAME/map.png", removable=False),
    AssignmentTemplate("map_table", "PROJ_PATH/AUDIT/TASK_NAME/map.csv", removable=False),
    AssignmentTemplate("suspects", "PROJ_PATH/AUDIT/TASK_NAME/suspects.csv", removable=False),
    AssignmentTemplate("audit_pages", "PROJ_PATH/AUDIT/TASK_NAME/pages", removable=False, directory=True),
    AssignmentTemplate("trial", "PROJ_PATH/SEARCH/TASK_NAME/SEARCH_ID/trial-NUMBER.json", removable=False),
    AssignmentTemplate("promotion", "PROJ_PATH/SEARCH/TASK_NAME/SEARCH_ID/rungRUNG-NUMBER.json", removable=False),
    AssignmentTemplate(
        "trial_result", "PROJ_PATH/SEARCH/TASK_NAME/SEARCH_ID/rungRUNG-NUMBER-foldFOLD.json", removable=False
    ),
    AssignmentTemplate(
        "search_choice", "PROJ_PATH/SEARCH/TASK_NAME/SEARCH_ID/RUN.yaml", reusable=True, removable=False
    ),
    AssignmentTemplate("trials", "PROJ_PATH/SEARCH/TASK_NAME/trials.csv", reusable=True, removable=False),
    AssignmentTemplate("importance", "PROJ_PATH/SEARCH/TASK_NAME/importance.csv", removable=False),
    AssignmentTemplate("optuna_journal", "PROJ_PATH/SEARCH/TASK_NAME/optuna.log", removable=False),
    AssignmentTemplate("search_plots", "PROJ_PATH/SEARCH/TASK_NAME/plots", removable=False, directory=True),
    AssignmentTemplate("return_value", "PROJ_PATH/RESULTS/MODE.json", removable=False),
    AssignmentTemplate("backup", "PROJ_PATH/BACKUPS/BACKUP/files.json", removable=False),
    AssignmentTemplate("upgrade", "PROJ_PATH/BACKUPS/BACKUP/upgrade.json", removable=False),
    AssignmentTemplate("downgrade", "PROJ_PATH/BACKUPS/BACKUP/downgrade.json", removable=False),
)
"""Templates of all files and folders that MML's own rules make."""
