"""Learning-rate schedules that torch does not have."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_cosine(optimizer: Optimizer, total_steps: int, warmup: float = 0.1, end: float = 0.0) -> LambdaLR:
    """Return a schedule with linear warm-up to the learning rate (Goyal et al. 2017), followed by a cosine decay.

    Args:
        optimizer: optimizer whose learning rate is scheduled.
        total_steps: number of optimizer steps of the training.
        warmup: share of the steps for the warm-up, below 1; or number of steps, 1 or more.
        end: final learning rate as a share of the learning rate, in [0, 1].
    """
    rising = round(total_steps * warmup) if warmup < 1 else int(warmup)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        progress = min(1.0, (step - rising) / max(1, total_steps - rising))
        return end + (1 - end) * (1 + math.cos(math.pi * progress)) / 2

    return LambdaLR(optimizer, factor)
