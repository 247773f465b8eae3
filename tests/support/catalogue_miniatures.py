"""Miniatures of the data sets in the catalogue: the files that an entry downloads, in their format, with few images."""

import itertools
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image

from mml_lib.config.task_options import Task
from mml_lib.tasks.creators.medmnist import MEDMNIST
from tests.support.array_miniatures import (
    cifar10,
    cifar100,
    cmaterdb,
    emnist,
    idx,
    medmnist,
    patch_camelyon,
    semeion,
    stl10,
    svhn,
    usps,
)
from tests.support.miniature_files import (
    SPLITS,
    Files,
    class_folders,
    name_of,
    picture,
    saved,
    split_folders,
    tarred,
    zipped,
)


def flowers102(task: Task) -> Files:
    from scipy.io import savemat

    numbers = np.arange(1, 307)
    parts = dict(zip(("trnid", "valid", "tstid"), np.split(numbers, 3), strict=True))
    labels = {"labels": np.tile(np.arange(1, 103), 3)[None]}
    return {
        "102flowers.tgz": tarred({f"jpg/image_{number:05d}.jpg": picture() for number in numbers}),
        "imagelabels.mat": saved(lambda stream: savemat(stream, labels)),
        "setid.mat": saved(lambda stream: savemat(stream, {key: ids[None] for key, ids in parts.items()})),
    }


def food101(task: Task) -> Files:
    classes, files = ("apple_pie", "waffles"), {}
    numbers = itertools.count(1005649)
    for split in ("train", "test"):
        names = [f"{name}/{next(numbers)}" for name in classes for _ in range(5)]
        files[f"food-101/meta/{split}.txt"] = "\n".join(names).encode()
        files |= {f"food-101/images/{name}.jpg": picture() for name in names}
    return {"food-101.tar.gz": tarred(files)}


def dtd(task: Task) -> Files:
    files: Files = {}
    for number, (partition, split) in enumerate(itertools.product(range(1, 11), SPLITS)):
        names = [f"{name}/{name}_{number:04d}.jpg" for name in ("banded", "woven")]
        files[f"dtd/labels/{split}{partition}.txt"] = ("\n".join(names) + "\n").encode()
        files |= {f"dtd/images/{name}": picture() for name in names}
    return {"dtd-r1.0.1.tar.gz": tarred(files, "")}  # it is not compressed, whatever its name says


def fgvc_aircraft(task: Task) -> Files:
    labels = {
        "variant": ("707-320", "F/A-18"),
        "family": ("Boeing 707", "F/A-18"),
        "manufacturer": ("Boeing", "McDonnell"),
    }
    files = {f"{plural}.txt": b"" for plural in ("variants", "families", "manufacturers")}
    numbers = itertools.count(1025794)
    for split in SPLITS:
        names = [f"{next(numbers):07d}" for _ in range(4)]
        files |= {f"images/{name}.jpg": picture() for name in names}
        for level, words in labels.items():
            lines = [f"{name} {words[row % 2]}\n" for row, name in enumerate(names)]
            files[f"images_{level}_{split}.txt"] = "".join(lines).encode()
    return {
        "fgvc-aircraft-2013b.tar.gz": tarred({f"fgvc-aircraft-2013b/data/{name}": body for name, body in files.items()})
    }


def oxford_pets(task: Task) -> Files:
    breeds = (("Abyssinian", 1, 1, 1), ("american_bulldog", 2, 2, 1))
    images, annotations = {"images/Abyssinian_100.mat": b"MATLAB"}, {"annotations/README": b"trimaps"}
    for start, split in ((1, "trainval"), (200, "test")):
        lines = []
        for breed, number, species, place in breeds:
            for name in (f"{breed}_{start + row}" for row in range(6)):
                lines.append(f"{name} {number} {species} {place}\n")
                images[f"images/{name}.jpg"] = picture()
                trimap = Image.fromarray(np.tile(np.array([1, 2, 3, 2], dtype=np.uint8), (8, 2)))
                annotations[f"annotations/trimaps/{name}.png"] = saved(
                    lambda out, trimap=trimap: trimap.save(out, "PNG")
                )
        annotations[f"annotations/{split}.txt"] = "".join(lines).encode()
    annotations["annotations/list.txt"] = b"#Image CLASS-ID SPECIES BREED ID\n"
    return {"images.tar.gz": tarred(images), "annotations.tar.gz": tarred(annotations)}


def voc_segmentation(task: Task) -> Files:
    root, files = task.arguments["path"], {}
    palette = list(np.random.default_rng(1).integers(0, 256, 768))
    for split, start in (("train", 32), ("val", 33)):
        names = [f"2007_{number:06d}" for number in range(start, start + 8, 2)]
        files[f"{root}/ImageSets/Segmentation/{split}.txt"] = ("\n".join(names) + "\n").encode()
        for name in names:
            files[f"{root}/JPEGImages/{name}.jpg"] = picture()
            mask = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) % 21)
            mask.putpixel((0, 0), 255)
            mask.putpalette(palette)
            files[f"{root}/SegmentationClass/{name}.png"] = saved(lambda out, mask=mask: mask.save(out, "PNG"))
    return {name_of(task, 0): tarred(files, "")}


def imagenette(task: Task) -> Files:
    words = "n01440764 n02102040 n02979186 n03000684 n03028079 n03394916 n03417042 n03425413 n03445777 n03888257"
    root = task.arguments["path"]
    files = split_folders(f"{root}/", ("train", "val"), words.split(), ".JPEG")
    return {name_of(task, 0): tarred(files | {f"{root}/noisy_imagenette.csv": b"path,noisy_labels_0\n"})}


def colorectal_histology(task: Task) -> Files:
    names = "01_TUMOR 02_STROMA 03_COMPLEX 04_LYMPHO 05_DEBRIS 06_MUCOSA 07_ADIPOSE 08_EMPTY"
    files = class_folders("Kather_texture_2016_image_tiles_5000/", names.split(), suffix=".tif")
    return {"Kather_texture_2016_image_tiles_5000.zip": zipped(files)}


def malaria(task: Task) -> Files:
    names = [f"C{slide}P{slide}thinF_IMG_2015_cell_{cell}.png" for slide in range(1, 8) for cell in range(2)]
    healthy = [f"C{slide}_thinF_IMG_2015_cell_{cell}.png" for slide in range(101, 108) for cell in range(2)]
    files = {f"cell_images/Parasitized/{name}": picture(".png") for name in names}
    files |= {f"cell_images/Uninfected/{name}": picture(".png") for name in healthy}
    return {"cell_images.zip": zipped(files | {"cell_images/Parasitized/Thumbs.db": b"thumbs"})}


def plant_village(task: Task) -> Files:
    root = "Plant_leave_diseases_dataset_without_augmentation/"
    names = ("Apple___Apple_scab", "Corn___Cercospora_leaf_spot Gray_leaf_spot", "Pepper,_bell___healthy")
    return {"file_downloaded": zipped(class_folders(root, (*names, "Background_without_leaves"), suffix=".JPG"))}


def citrus_leaves(task: Task) -> Files:
    leaves = class_folders("Citrus/Leaves/", ("Black spot", "canker", "greening", "healthy", "Melanose"), suffix=".png")
    return {"file_downloaded": zipped(leaves | {"Citrus/Fruits/healthy/1.png": picture(".png")})}


def beans(task: Task) -> Files:
    names = ("angular_leaf_spot", "bean_rust", "healthy")
    files = {f"{word}.zip": split_folders("", (word,), names) for word in ("train", "validation", "test")}
    files["train.zip"]["train/healthy/healthy_train.120tore"] = b"no image"
    return {name: zipped(content) for name, content in files.items()}


def rock_paper_scissors(task: Task) -> Files:
    names = ("rock", "paper", "scissors")
    return {f"{word}.zip": zipped(class_folders(f"{word}/", names, suffix=".png")) for word in ("rps", "rps-test-set")}


def country211(task: Task) -> Files:
    return {"country211.tgz": tarred(split_folders("country211/", ("train", "valid", "test"), ("AD", "NA", "ZW")))}


def gtsrb(task: Task) -> Files:
    files: Files = {"GTSRB/Readme-Images.txt": b"readme"}
    for label in ("00000", "00001"):
        files[f"GTSRB/Training/{label}/GT-{label}.csv"] = b"Filename;Width\n"
        tracks = itertools.product(range(6), range(2))
        files |= {f"GTSRB/Training/{label}/{track:05d}_{row:05d}.ppm": picture(".ppm") for track, row in tracks}
    return {"GTSRB-Training_fixed.zip": zipped(files)}


def omniglot(task: Task) -> Files:
    def alphabet(folder: str, name: str) -> Files:
        return class_folders(f"{folder}/{name}/", ("character01", "character02"), suffix=".png")

    parts = {"images_background": "Greek", "images_evaluation": "Angelic"}
    return {f"{folder}.zip": zipped(alphabet(folder, name)) for folder, name in parts.items()}


def isic2020(task: Task) -> Files:
    lines = ["image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target"]
    images: Files = {}
    for row in range(24):
        name, words = f"ISIC_{row:07d}", ("benign", "malignant")
        images[f"train/{name}.jpg"] = picture()
        lines.append(f"{name},IP_{row // 2:07d},male,45.0,head/neck,unknown,{words[row % 2]},{row % 2}")
    return {
        "ISIC_2020_Training_JPEG.zip": zipped(images),
        "ISIC_2020_Training_GroundTruth.csv": ("\n".join(lines) + "\n").encode(),
    }


def hyperkvasir(task: Task) -> Files:
    folders = {
        "lower-gi-tract/anatomical-landmarks": ("cecum", "ileum"),
        "upper-gi-tract/anatomical-landmarks": ("pylorus", "z-line"),
        "lower-gi-tract/pathological-findings": ("hemorrhoids", "polyps"),
        "upper-gi-tract/pathological-findings": ("barretts", "esophagitis-a"),
        "lower-gi-tract/quality-of-mucosal-views": ("bbps-0-1", "bbps-2-3", "impacted-stool"),
        "lower-gi-tract/therapeutic-interventions": ("dyed-lifted-polyps", "dyed-resection-margins"),
    }
    files = {"labeled-images/image-labels.csv": b"Video file,Organ\n"}
    for folder, names in folders.items():
        files |= class_folders(f"labeled-images/{folder}/", names)
    return {"hyper-kvasir-labeled-images.zip": zipped(files)}


def nbi_infframes(task: Task) -> Files:
    files = split_folders("FRAMES/", ("Fold1", "Fold2", "Fold3"), "BISU", ".png")
    return {"FRAMES.zip": zipped(files | {"FRAMES/.DS_Store": b"macOS"})}


def folders_of(root: str, names: str, suffix: str = ".jpg") -> Callable[[Task], Files]:
    """Return the miniature of an archive of class folders."""

    def files(task: Task) -> Files:
        content = class_folders(root, names.split(), suffix=suffix)
        name = name_of(task, 0)
        return {name: zipped(content) if name.endswith(".zip") else tarred(content | {f"{root}LICENSE.txt": b"-"})}

    return files


MINIATURES: Mapping[str, Callable[[Task], Files]] = {
    **dict.fromkeys(MEDMNIST, medmnist),
    **dict.fromkeys(("mnist", "fashion_mnist", "kmnist"), lambda task: idx()),
    **dict.fromkeys(("cmaterdb_bangla", "cmaterdb_devanagari", "cmaterdb_telugu"), cmaterdb),
    **dict.fromkeys(("oxford_pets", "oxford_pets_species", "oxford_pets_masks"), oxford_pets),
    "hyperkvasir": hyperkvasir,
    **dict.fromkeys(
        (f"hyperkvasir_{part}" for part in ("landmarks", "findings", "mucosal_views", "interventions")), hyperkvasir
    ),
    "emnist": emnist,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "svhn": svhn,
    "stl10": stl10,
    "usps": usps,
    "semeion": semeion,
    "flowers102": flowers102,
    "food101": food101,
    "dtd": dtd,
    "fgvc_aircraft": fgvc_aircraft,
    "voc_segmentation": voc_segmentation,
    "eurosat": folders_of("2750/", "AnnualCrop Forest"),
    "imagenette": imagenette,
    "uc_merced": folders_of("UCMerced_LandUse/Images/", "agricultural airplane", ".tif"),
    "colorectal_histology": colorectal_histology,
    "malaria": malaria,
    "tf_flowers": folders_of("flower_photos/", "daisy roses"),
    "plant_village": plant_village,
    "citrus_leaves": citrus_leaves,
    "beans": beans,
    "cassava": lambda task: {
        "cassavaleafdata.zip": zipped(
            split_folders("cassavaleafdata/", ("train", "validation", "test"), ("cbb", "cmd"))
        )
    },
    "rock_paper_scissors": rock_paper_scissors,
    "rendered_sst2": lambda task: {
        "rendered-sst2.tgz": tarred(
            split_folders("rendered-sst2/", ("train", "valid", "test"), ("negative", "positive"), ".png")
        )
    },
    "country211": country211,
    "gtsrb": gtsrb,
    "omniglot": omniglot,
    "patch_camelyon": patch_camelyon,
    "isic2020": isic2020,
    "nbi_infframes": nbi_infframes,
}
"""The function that makes the downloads of an entry, by its name."""
