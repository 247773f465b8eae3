"""Mistakes in a study's config, each with the line that refuses it: what lies beside those of `test_bad_studies.py`."""

from typing import Any

from tests.support.workplaces import TINY

FAKE = TINY["tasks"]["stripes"]
NAN, INF = float("nan"), float("inf")


def task(**changes: Any) -> dict[str, Any]:
    return {"tasks": {"mine": FAKE | changes}}


def optimizer(**changes: Any) -> dict[str, Any]:
    return {"optimizer": {"preset": "adamw", **changes}}


def trainer(**changes: Any) -> dict[str, Any]:
    return {"trainer": {"accelerator": "cpu", **changes}}


def train(**options: Any) -> dict[str, Any]:
    return {"mode": {"preset": "train", **options}}


def post(**options: Any) -> dict[str, Any]:
    return {"mode": {"preset": "post", **options}}


def called(target: str, **arguments: Any) -> dict[str, Any]:
    return {"_target_": target, **arguments}


SYSTEM = called("os.system", command="touch trace")
OWN = r"'os\.system' is in Python's standard library"

CONFIG: dict[str, tuple[dict[Any, Any], str]] = {
    # names
    "project that is a list": ({"project": ["a"]}, r"project: .*string, not \['a'\]"),
    "project without a name": ({"project": ""}, r"'' \(project\) is not a valid name: use"),
    "project with a shell command": ({"project": "$(touch trace)"}, r"\(project\) is not a valid name"),
    "project with an umlaut": ({"project": "läsion"}, r"'läsion' \(project\) is not a valid name"),
    "project with a line end": ({"project": "demo\n"}, r"\(project\) is not a valid name"),
    "project above its folder": ({"project": ".."}, r"'\.\.' \(project\) is not a valid name"),
    "project too long for the disk": ({"project": "a" * 300}, r"project: .*most 100 characters"),
    "task at the root of the disk": ({"tasks": {"/etc": FAKE}}, r"'/etc' \(tasks\./etc\) is not a valid name"),
    "task above its folder": ({"tasks": {"..": FAKE}}, r"is not a valid name"),
    "task with quotes": ({"tasks": {"a\"'b": FAKE}}, r"is not a valid name"),
    "task that is a switch": ({"tasks": {True: FAKE}}, r"tasks\.True: .*put it in quotes: 'true'"),
    "task too long for the disk": ({"tasks": {"a" * 300: FAKE}}, r"string should have at most 100 characters"),
    "mode above its folder": (train(id="../x"), r"mode\.id: string should match pattern"),
    "preprocessing above its folder": ({"preprocessing": {"id": "../x"}}, r"preprocessing\.id: string should match"),
    "reuse above the results": ({"reuse": {"models": "../x"}}, r"reuse\.models\.0: '\.\./x' names no project"),
    "reuse of no run": ({"reuse": {"models": "a#zz"}}, r"'a#zz'.*write it as project"),
    "cleaned project above the results": (
        {"clean": {"projects": ["../x"]}},
        r"'\.\./x' \(clean\.projects\.0\) is not a valid name",
    ),
    "blueprint above its folder": (
        train(use_blueprint="../x") | {"reuse": {"blueprint": "a"}},
        r"there is no project 'a'|use_blueprint",
    ),
    # shapes
    "key that is a number": ({7: 3}, r"7: keys should be strings, not 7"),
    "tasks that are a list": ({"tasks": ["a"]}, r"tasks: .*dictionary, not \['a'\]"),
    "no tasks": ({"tasks": {}}, r"tasks is empty; name at least one"),
    "task that is a word": ({"tasks": {"a": "fake"}}, r"tasks\.a: .*dictionary"),
    "task without a creator": ({"tasks": {"a": {"path": "x"}}}, r"the key 'tasks\.a\.creator' is missing"),
    "mode that is a list": ({"mode": ["train"]}, r"mode: .*dictionary"),
    "unknown mode": ({"mode": "trian"}, r"mode: .*preset 'trian', did you mean 'train'\?"),
    "optimizer that is a number": ({"optimizer": 3}, r"optimizer: .*dictionary"),
    "loss that is a list": ({"loss": ["a"]}, r"loss: .*dictionary"),
    "callbacks that are a list": ({"callbacks": [1]}, r"callbacks: .*dictionary"),
    "trainer that is a number": ({"trainer": 5}, r"trainer: .*dictionary"),
    "sweep that is a list": ({"sweep": [1]}, r"sweep: .*dictionary"),
    "sweep of nothing": ({"sweep": {"optimizer.lr": []}}, r"sweep\.optimizer\.lr is empty; name at least one"),
    "sweep of one value": ({"sweep": {"seed": 3}}, r"sweep\.seed: .*not 3"),
    "variant of nothing": ({"variants": {"a": None}}, r"variants\.a: .*dictionary"),
    "variant of an unknown key": ({"variants": {"a": {"optmizer": "sgd"}}}, r"'optmizer' cannot be varied: "),
    "usual name in a sweep": ({"sweep": {"backbone": ["a"]}}, r"cannot be varied, did you mean 'arch\.name'"),
    "network as a preset": ({"arch": "resnet10t"}, r"arch: .*; .* write \{preset: timm, name: resnet10t\}"),
    "paths that are a word": ({"paths": {"data": ["a"]}}, r"paths\.data: "),
    "plugins that are a word": ({"plugins": "x.py"}, r"plugins: .*not 'x\.py'"),
    "classes that are a list": (task(idx_to_class=["a"]), r"tasks\.mine\.idx_to_class: .*dict"),
    "class without a number": (task(idx_to_class={"a": "b"}), r"idx_to_class\.a: .*integer"),
    # numbers
    "learning rate that is none": (optimizer(lr=NAN), r"study\.yaml: optimizer\.lr .*\(nan\)"),
    "learning rate below zero": (optimizer(lr=-1), r"optimizer\.lr is -1; write a number above 0"),
    "learning rate without end": (optimizer(lr=INF), r"optimizer\.lr is inf; write a number above 0"),
    "learning rate in words": (optimizer(lr="fast"), r"optimizer\.lr is 'fast'; write a number above 0"),
    "learning rate that is a switch": (optimizer(lr=True), r"optimizer\.lr is True; write a number above 0"),
    "learning rates in a list": (optimizer(lr=[1]), r"optimizer\.lr is \[1\]; write a number above 0"),
    "weight decay below zero": (optimizer(weight_decay=-1), r"optimizer\.weight_decay is -1; write a number of 0 or"),
    "swept learning rate in words": ({"sweep": {"optimizer.lr": ["fast"]}}, r"optimizer\.lr is 'fast'"),
    "seed that is a switch": ({"seed": True}, r"seed: true is not a number"),
    "seed below zero": ({"seed": -1}, r"seed: .*0, not -1"),
    "seed too large": ({"seed": 2**40}, r"seed: .*than 4294967296"),
    "seed with a fraction": ({"seed": 1.5}, r"seed: .*integer.*fraction"),
    "epochs below zero": (trainer(max_epochs=-1), r"trainer\.max_epochs: .*than 0, not -1"),
    "epochs that are a switch": (trainer(max_epochs=True), r"trainer\.max_epochs: true is not a number"),
    "batch size that is a switch": (
        {"sampling": {"batch_size": True}},
        r"sampling\.batch_size: true is not a number",
    ),
    "folds that are a switch": (task(folds=True), r"tasks\.mine\.folds: true is not a number"),
    "one fold": (task(folds=1), r"tasks\.mine\.folds: .*2, not 1"),
    "a million folds": (task(folds=10**6), r"tasks\.mine\.folds: .*1000"),
    "all held out": (task(test_fraction=1), r"test_fraction: .*than 1, not 1"),
    "images below zero": (task(num_samples=-5), r"num_samples >= num_classes"),
    "images without end": (task(num_samples=10**15), r"creator fake: it takes .* up to 10⁷ samples"),
    "size of three numbers": ({"preprocessing": {"size": [1, 2, 3]}}, r"preprocessing\.size: input should be"),
    "size below zero": ({"preprocessing": {"size": -3}}, r"preprocessing\.size: .*than 0"),
    "resamples without end": ({"bootstrap": 10**12}, r"bootstrap: .*1000000"),
    "five resamples": ({"bootstrap": 5}, r"bootstrap: 5 resamples.*95"),
    "workers without end": ({"num_workers": 10**9}, r"num_workers: .*1024"),
    "shards without end": ({"preprocess_shards": 10**7}, r"preprocess_shards: .*less than or equal"),
    "mixing below zero": ({"mixing": {"mixup": -1}}, r"mixing\.mixup: .*than 0"),
    "rates that cross": ({"tune": {"lr": True, "min_lr": 1, "max_lr": 0.1}}, r"tune: min_lr \(1\.0\) must be less"),
    "prior that is not a number": (post(prior=[NAN, 1]), r"mode\.prior\.0 is not a number \(nan\)"),
    # words
    "precision": (trainer(precision="17"), r"trainer\.precision: .*'32-true', '16-mixed'"),
    "accelerator": (trainer(accelerator="gpuu"), r"trainer\.accelerator: .*'auto', 'cpu', 'gpu'"),
    "time limit in other units": (trainer(max_time={"hour": 4}), r"trainer: max_time is .*; write '00:04:00:00'"),
    "class weights": ({"class_weights": "balance"}, r"class_weights: .*'balanced', not 'balance'"),
    "calibration": (post(calibration="platt"), r"mode \(post\): calibration: input should be 'affine'"),
    "ensemble": (post(ensemble={"strategy": "gredy"}), r"strategy 'gredy', did you mean 'greedy'\?"),
    "evaluated split": (train(eval=["tset"]), r"mode \(train\): eval\.0: .*'val', 'test'"),
    "no fold to train on": (train(folds=[]), r"mode \(train\): folds is empty; name at least one"),
    "run that is no id": ({"run": "xyz"}, r"run: 'xyz'.*8 hexadecimal digits"),
    # what would run code
    "loss that is a command": ({"loss": SYSTEM}, rf"loss\._target_: {OWN}"),
    "callback that is a command": ({"callbacks": {"x": SYSTEM}}, rf"callbacks\.x\._target_: {OWN}"),
    "augmentation that is a command": ({"augmentations": {"transforms": [SYSTEM]}}, rf"transforms\.0\._target_: {OWN}"),
    "transform that is a command": ({"preprocessing": [SYSTEM]}, rf"preprocessing\.transforms\.0\._target_: {OWN}"),
    "view that is a command": ({"tta": {"transforms": [SYSTEM]}}, rf"tta\.transforms\.0\._target_: {OWN}"),
    "backbone that is a command": ({"arch": SYSTEM}, rf"arch\._target_: {OWN}"),
    "view that is no view": (
        {"tta": {"transforms": [called("mml_lib.files.atomic.write_text", path="trace", text="x")]}},
        r"tta\.transforms: mml_lib\.files\.atomic\.write_text is not called",
    ),
    "transform of another kind": (
        {"preprocessing": [called("numpy.save", file="trace", arr=1)]},
        r"preprocessing\.transforms\.0: numpy\.save is not called",
    ),
    "scheduler that is none": (
        {"mode": {"id": "own", "scheduler": called("numpy.save")}},
        r"mode\.scheduler: numpy\.save.*derive it from",
    ),
    "target without dots": ({"optimizer": called("Adam")}, r"optimizer\._target_: 'Adam'"),
    "target of no package": ({"optimizer": called("nopkg.Adam")}, r"optimizer: 'nopkg\.Adam':"),
    # files that are named
    "empty path": ({"paths": {"data": ""}}, r"paths\.data: .*name a folder"),
    "path with braces": ({"paths": {"data": "a{b}"}}, r"paths\.data: 'a\{b\}' contains braces or a zero byte"),
    "path with a zero byte": ({"paths": {"results": "a\0b"}}, r"paths\.results: .* contains braces or a zero byte"),
    "missing folder of presets": (
        {"paths": {"presets": ["nowhere"]}},
        r"paths\.presets\.0: there is no folder nowhere",
    ),
    "missing file of rules": ({"rules": ["nowhere.smk"]}, r"rules\.0: there is no file nowhere\.smk"),
    "missing plugin": ({"plugins": ["no.such"]}, r"plugins: 'no\.such' cannot be imported"),
    "URL of a program": (
        {"tasks": {"a": {"creator": "csv", "downloads": [{"url": "ssh://x/y.zip", "sha256": "4d2f" * 15 + "4d20"}]}}},
        r"downloads\.0\.url: 'ssh://x/y\.zip'.*URL.*https://",
    ),
    "checksum that is a placeholder": (
        {"tasks": {"a": {"creator": "csv", "downloads": [{"url": "https://x/y.zip", "sha256": "0" * 64}]}}},
        r"downloads\.0\.sha256: 00000000….*placeholder",
    ),
}
