"""Count the test images of which a network is sure: its largest probability is above 0.6."""

from pathlib import Path

import numpy as np

lines = []
for path in snakemake.input.predictions:
    with np.load(path) as file:
        exponentials = np.exp(file["logits"])  # images × classes
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    lines.append(f"{path}: {(probabilities.max(axis=1) > 0.6).sum()} of {len(probabilities)}")
Path(snakemake.output[0]).write_text("\n".join(lines) + "\n")
