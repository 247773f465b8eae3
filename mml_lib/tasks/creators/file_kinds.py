"""Kinds of files: images that are read, image-like files that are not, and the litter of systems and tools."""

import os
import re
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

PICTURES = frozenset(
    {
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".gif"),
        *(".ppm", ".pgm", ".pbm", ".pnm"),
    }
)
"""Suffixes of pictures, in small letters. Of several frames the first is read."""

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima", ".dc3")

NIFTI_SUFFIXES = (".nii", ".nii.gz")

ARRAY_SUFFIXES = (".npy", ".npz")

OPTIONAL = {"pydicom": DICOM_SUFFIXES, "nibabel": NIFTI_SUFFIXES}
"""Suffixes that are read where a package is installed."""

SUFFIXES: set[str] = {
    *PICTURES,
    *ARRAY_SUFFIXES,
    *(suffix for name in OPTIONAL if find_spec(name) for suffix in OPTIONAL[name]),
}
"""Suffixes of images and masks in folders, in small letters; readers of plugins add theirs."""

REMEDIES = {
    "DICOM": "pip install 'mml[dicom]'",
    "NIfTI": "pip install 'mml[nifti]'",
    "volumes or whole slides": "export slices or tiles as PNG or TIFF",
    "arrays": "save their images as PNG or TIFF",
    "raw photographs": "develop them to PNG or TIFF",
    "drawings or documents": "render them as PNG",
    "videos": "extract their frames as PNG",
    "archives": "unpack them",
    "images of other formats": "convert them to PNG",
}
"""The kinds of image-like files that folders leave out, and the remedy of each."""

_KINDS = {
    "DICOM": "dcm dicom ima dc3 acr",
    "NIfTI": "nii nii.gz",
    "volumes or whole slides": "mha mhd nrrd nhdr mgz mgh mnc img czi lif nd2 oib oif svs ndpi mrxs scn vsi "
    "bif qptiff vms ims stk lsm",
    "arrays": "mat h5 hdf5 hdf pkl pickle pt pth zarr tfrecord tfrecords parquet",
    "raw photographs": "raw dng cr2 cr3 crw nef nrw arw srf sr2 orf rw2 raf pef srw x3f 3fr iiq kdc dcr mrw rwl erf",
    "drawings or documents": "svg svgz eps ps pdf ai wmf emf cdr",
    "videos": "mp4 avi mov mkv mpg mpeg wmv m4v webm flv mts m2ts mng",
    "archives": "zip tar gz tgz bz2 xz 7z rar",
    "images of other formats": "heic heif hif avif avifs jxl jxr hdp jp2 j2k jpf jpx j2c jpc jpm psd psb xcf kra ora "
    "tga icb vda vst ico cur icns dds exr hdr pfm pcx dcx sgi rgb rgba bw ras xbm xpm fits fit fts qoi pict pct iff "
    "flif bpg jpg_large jpg-large jpeg_large pjpeg pjp",
}

LEFT_OUT: dict[str, str] = {
    f".{suffix}": kind for kind, text in _KINDS.items() for suffix in text.split() if f".{suffix}" not in SUFFIXES
}
"""The kind of files with an image-like suffix that is not read."""

NOT_PICTURES = frozenset(REMEDIES) - {"images of other formats"}
"""Kinds that no decoder reads as one picture, so that tables cannot name them either."""

OWN_READERS: dict[str, Callable[..., Any]] = {}
"""Functions of the user's own that read images, by suffix."""


def add_own_reader(function: Callable[..., Any], suffixes: Iterable[str]) -> None:
    """Make folders and tables accept files that a reader of the user's own reads."""
    for suffix in suffixes:
        OWN_READERS[suffix] = function
        SUFFIXES.add(suffix)
        LEFT_OUT.pop(suffix, None)


_TEXTS = (
    "txt csv tsv json jsonl xml md rst yaml yml toml html htm css js py ipynb r m sh bat log ini cfg conf db sqlite "
    "lock doc docx xls xlsx ppt pptx odt ods rtf tex bib sha256 md5 sum wav mp3 tmp part"
)

_PLAIN = frozenset(f".{suffix}" for suffix in _TEXTS.split())
"""Suffixes of files that are no images, whatever their first bytes are."""

SYSTEM_FOLDERS = frozenset(
    {
        *("@eadir", "@tmp", "@s2s", "@recycle", "@recently-snapshot", "@sharebin", "@__thumb", "@synology"),  # NAS
        *("#recycle", "#snapshot", "~snapshot", "lost+found"),
        *("$recycle.bin", "system volume information", "found.000", "msdownld.tmp"),  # Windows
        *("__macosx", "network trash folder", "temporary items", "thevolumesettingsfolder"),  # macOS
        *("__pycache__", "_gsdata_"),
    }
)
"""Folders that systems and tools make (in small letters): thumbnails, waste baskets, snapshots, resource forks."""

_WASTE_BASKETS = frozenset({"RECYCLER", "RECYCLED"})
"""Waste baskets of old Windows, in capitals only: `recycled` may be a class of waste."""

_SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "dicomdir"})


def suffix_of(name: str) -> str:
    """Return the suffix of a file name in small letters, `.nii.gz` as one; empty if it has none."""
    lower = name.lower()
    return ".nii.gz" if lower.endswith(".nii.gz") else os.path.splitext(lower)[1].strip()


def is_system(name: str) -> bool:
    """Return True if a name is hidden, or one that systems and tools give to their own files and folders."""
    return name[0] == "." or name in _WASTE_BASKETS or name.lower() in SYSTEM_FOLDERS or name.lower() in _SYSTEM_FILES


def may_be_dicom(suffix: str) -> bool:
    """Return True for file names without a suffix, and for UIDs, whose last number looks like one."""
    return re.fullmatch(r"(\.\d+)?", suffix) is not None


def has_preamble(file: str) -> bool:
    """Return True if a file begins as DICOM files do (PS3.10, section 7.1)."""
    try:
        with open(file, "rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def may_be_image(suffix: str) -> bool:
    """Return True if only the first bytes of a file say if it is an image: it has no suffix, or an unknown one."""
    return suffix not in _PLAIN and suffix not in LEFT_OUT and suffix not in SUFFIXES


def has_image_bytes(file: str) -> bool:
    """Return True if the first bytes of a file are those of an image."""
    try:
        with open(file, "rb") as stream:
            head = stream.read(132)
    except OSError:
        return False
    tiff = head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    riff = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    boxed = head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"avif", b"hevc")
    bitmap = head[:2] == b"BM" and head[6:10] == b"\0\0\0\0"
    starts = (
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"GIF87a",
        b"GIF89a",
        b"8BPS",
        b"\0\0\0\x0cjP  ",
        b"\0\0\0\x0cJXL ",
    )
    return tiff or riff or boxed or bitmap or head.startswith(starts) or head[128:132] == b"DICM"
