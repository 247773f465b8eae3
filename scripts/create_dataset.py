"""Make or find the images of a data set and write its manifest, with sizes and values of images and masks."""

from pathlib import Path

from mml_lib.config.image_options import Images
from mml_lib.files.atomic import emptied_on_failure
from mml_lib.files.checksums import seal, verify
from mml_lib.files.unpacking import UNPACKED, unpack
from mml_lib.images.drawing.drawn_masks import draw_masks
from mml_lib.images.packs.early_packs import EarlyPacks
from mml_lib.images.readers.frames import expand_frames
from mml_lib.images.surveying import survey_images
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.creators.creator_registry import check_creator_code, create
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.made_data import check_made_data, record_made_data

open_step(snakemake)
name = snakemake.wildcards.dataset
source = snakemake.params.source
folder = Path(snakemake.output.dataset).parent

check_creator_code(source["creator"], source.get("code", {}), name)
verify(*snakemake.input.downloads)
check_made_data(source, folder)
images, early_packs = Images(**source.get("images", {})), snakemake.params.early_packs
with emptied_on_failure(folder, unless=bool(snakemake.input.made)), EarlyPacks(early_packs, images) as early:
    downloads, unpacking = snakemake.input.downloads, snakemake.params.unpacking
    files = unpack(downloads, folder / UNPACKED, unpacking) if downloads else None
    delivery = create(source["creator"], source["arguments"], folder, files, source.get("images_alone", False))
    check_delivery(delivery, name)
    delivery = draw_masks(delivery, folder, snakemake.threads)
    for array in folder.glob("*.npy"):
        seal(array)
    delivery = expand_frames(delivery, name, folder, snakemake.threads, images)
    dataset = survey_images(delivery, name, folder, snakemake.threads, Path(snakemake.params.data_path), images, early)

record_made_data(source, folder)
dataset.write(snakemake.output.dataset)
