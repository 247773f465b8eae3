"""Miniatures of data sets in the catalogue that are arrays: the files that an entry downloads, in their format."""

import bz2
import gzip
import io

import numpy as np

from mml_lib.config.task_options import Task
from mml_lib.tasks.creators.medmnist import MEDMNIST
from tests.support.miniature_files import SPLITS, Files, name_of, pixels, random, saved, tarred, zipped


def medmnist(task: Task) -> Files:
    med_set = MEDMNIST[task.arguments["name"]]
    grey = med_set.modality in ("x-ray", "ultrasound", "computed tomography", "optical coherence tomography")
    number = len(med_set.classes)
    arrays = {}
    for split in SPLITS:
        arrays[f"{split}_images"] = pixels(number, 28, 28) if grey else pixels(number, 28, 28, 3)
        several = task.task_type == "multilabel_classification"
        arrays[f"{split}_labels"] = np.eye(number, dtype=np.uint8) if several else np.arange(number)[:, None]
    return {name_of(task, 0): saved(lambda content: np.savez_compressed(content, **arrays))}


def idx(prefix: str = "") -> Files:
    files = {}
    for word in ("train", "test" if prefix else "t10k"):
        images, labels = pixels(50, 28, 28), np.tile(np.arange(10, dtype=np.uint8), 5)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            files[f"{prefix}{word}-{kind}-ubyte.gz"] = gzip.compress(header + array.tobytes())
    return files


def emnist(task: Task) -> Files:
    prefix = f"emnist-{task.arguments['subset']}-"
    files = {f"gzip/{name}": content for name, content in idx(prefix).items()}
    mapping = "".join(f"{label} {ord('0') + label}\n" for label in range(10))
    return {"gzip.zip": zipped(files | {f"gzip/{prefix}mapping.txt": mapping.encode()})}


def cifar10(task: Task) -> Files:
    names = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
    records = {name: records_of([[label] for label in range(10)]) for name in names}
    words = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    records |= {"batches.meta.txt": ("\n".join(words) + "\n\n").encode(), "readme.html": b"<html/>"}
    return {"cifar-10-binary.tar.gz": tarred({f"cifar-10-batches-bin/{name}": body for name, body in records.items()})}


def cifar100(task: Task) -> Files:
    records = {
        name: records_of([[label // 5, label] for label in [*range(100)] * 5]) for name in ("train.bin", "test.bin")
    }
    for level, count in (("fine", 100), ("coarse", 20)):
        records[f"{level}_label_names.txt"] = "".join(f"{level}_{number}\n" for number in range(count)).encode()
    return {"cifar-100-binary.tar.gz": tarred({f"cifar-100-binary/{name}": body for name, body in records.items()})}


def records_of(labels: list[list[int]]) -> bytes:
    return b"".join(bytes(label) + pixels(3 * 32 * 32).tobytes() for label in labels)


def stl10(task: Task) -> Files:
    files = {"class_names.txt": b"airplane\nbird\ncar\ncat\ndeer\ndog\nhorse\nmonkey\nship\ntruck\n"}
    for split, count in (("train", 50), ("test", 50), ("unlabeled", 3)):
        files[f"{split}_X.bin"] = pixels(count * 3 * 96 * 96).tobytes()
        if split != "unlabeled":
            files[f"{split}_y.bin"] = bytes(range(1, 11)) * 5
    return {"stl10_binary.tar.gz": tarred({f"stl10_binary/{name}": body for name, body in files.items()})}


def svhn(task: Task) -> Files:
    from scipy.io import savemat

    def content(stream: io.BytesIO) -> None:
        savemat(stream, {"X": pixels(32, 32, 3, 50), "y": np.tile(np.arange(1, 11, dtype=np.uint8), 5)[:, None]})

    return {f"{split}_32x32.mat": saved(content) for split in ("train", "test")}


def usps(task: Task) -> Files:
    def lines() -> bytes:
        rows = random.uniform(-1, 1, (50, 256))
        texts = [" ".join(f"{place}:{value:.4f}" for place, value in enumerate(row, 1)) for row in rows]
        return "".join(f"{row % 10 + 1} {text} \n" for row, text in enumerate(texts)).encode()

    return {name: bz2.compress(lines()) for name in ("usps.bz2", "usps.t.bz2")}


def semeion(task: Task) -> Files:
    lines = []
    for row in range(60):
        bits = [f"{bit}.0000" for bit in random.integers(0, 2, 256)] + [
            str(int(row % 10 == digit)) for digit in range(10)
        ]
        lines.append(" ".join(bits) + " \n")
    return {"semeion.data": "".join(lines).encode()}


def cmaterdb(task: Task) -> Files:
    def content(stream: io.BytesIO) -> None:
        np.savez(stream, images=pixels(50, 32, 32, 3), labels=np.tile(np.arange(10, dtype=np.uint8), 5))

    return {name: saved(content) for name in ("training-images.npz", "testing-images.npz")}


def patch_camelyon(task: Task) -> Files:
    import h5py

    files = {}
    for word in ("train", "valid", "test"):
        arrays = {"x": pixels(4, 96, 96, 3), "y": np.array([0, 1, 0, 1], dtype=np.uint8).reshape(4, 1, 1, 1)}
        for key, array in arrays.items():
            content = io.BytesIO()
            with h5py.File(content, "w") as file:
                file.create_dataset(key, data=array)
            files[f"camelyonpatch_level_2_split_{word}_{key}.h5.gz"] = gzip.compress(content.getvalue(), 1)
    return files
