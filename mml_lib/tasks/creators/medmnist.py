"""The 2D sets of MedMNIST: properties that their files do not hold. Classes are spelled as in its package."""

from dataclasses import dataclass

REFERENCE = "J. Yang et al.: MedMNIST v2 - A large-scale lightweight benchmark. Scientific Data 10, 41 (2023)"
URL = "https://medmnist.com"
ORGANS = (
    *("bladder", "femur-left", "femur-right", "heart", "kidney-left", "kidney-right", "liver"),
    *("lung-left", "lung-right", "pancreas", "spleen"),
)


@dataclass(frozen=True)
class MedSet:
    """One set: classes in the order of their numbers, modality, keywords and task type."""

    classes: tuple[str, ...]
    modality: str
    keywords: tuple[str, ...] = ()
    task_type: str = "classification"
    ordinal: bool = False
    license: str = "CC BY 4.0"


MEDMNIST = {
    "pathmnist": MedSet(
        (
            *("adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle", "normal colon mucosa"),
            *("cancer-associated stroma", "colorectal adenocarcinoma epithelium"),
        ),
        "pathology",
        ("colon",),
    ),
    "chestmnist": MedSet(
        (
            *("atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia"),
            *("pneumothorax", "consolidation", "edema", "emphysema", "fibrosis", "pleural", "hernia"),
        ),
        "x-ray",
        ("chest",),
        "multilabel_classification",
    ),
    "dermamnist": MedSet(
        (
            *("actinic keratoses and intraepithelial carcinoma", "basal cell carcinoma"),
            *("benign keratosis-like lesions", "dermatofibroma", "melanoma", "melanocytic nevi", "vascular lesions"),
        ),
        "dermatoscopy",
        ("skin",),
        license="CC BY-NC 4.0",
    ),
    "octmnist": MedSet(
        ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
        "optical coherence tomography",
        ("retina",),
    ),
    "pneumoniamnist": MedSet(("normal", "pneumonia"), "x-ray", ("chest",)),
    "retinamnist": MedSet(("0", "1", "2", "3", "4"), "fundus photography", ("retina", "ordinal"), ordinal=True),
    "breastmnist": MedSet(("malignant", "normal, benign"), "ultrasound", ("breast",)),
    "bloodmnist": MedSet(
        (
            *("basophil", "eosinophil", "erythroblast"),
            "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)",
            *("lymphocyte", "monocyte", "neutrophil", "platelet"),
        ),
        "microscopy",
        ("blood",),
    ),
    "tissuemnist": MedSet(
        (
            *("Collecting Duct, Connecting Tubule", "Distal Convoluted Tubule", "Glomerular endothelial cells"),
            *("Interstitial endothelial cells", "Leukocytes", "Podocytes", "Proximal Tubule Segments"),
            "Thick Ascending Limb",
        ),
        "microscopy",
        ("kidney",),
    ),
    "organamnist": MedSet(ORGANS, "computed tomography", ("abdomen", "axial")),
    "organcmnist": MedSet(ORGANS, "computed tomography", ("abdomen", "coronal")),
    "organsmnist": MedSet(ORGANS, "computed tomography", ("abdomen", "sagittal")),
}
