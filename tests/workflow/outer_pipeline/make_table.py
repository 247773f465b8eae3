"""Write dark and bright images, and a table of them."""

from pathlib import Path

import numpy as np
from PIL import Image

random = np.random.default_rng(snakemake.config.get("seed", 0))
folder = Path(snakemake.output.images)
folder.mkdir(parents=True)
rows = ["image,label"]
for number in range(48):
    pixels = random.integers(0, 100, (24, 24, 3)) + 150 * (number % 2)
    Image.fromarray(pixels.astype("uint8")).save(folder / f"{number}.png")
    rows.append(f"images/{number}.png,{('dark', 'bright')[number % 2]}")
Path(snakemake.output.table).write_text("\n".join(rows) + "\n")
