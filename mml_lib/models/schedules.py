"""Learning-rate schedules that torch does not have."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_cosine(optimizer: Optimizer, total_steps: int, warmup: float = 0.1, end: float = 0.0) -> LambdaLR:
    """Return a linear rise to the learning rate (Goyal et al. 2017), then half a cosine down.

    Args:
        optimizer: whose learning rate is scheduled.
        total_steps: of the training.
        warmup: share of them in which the learning rate rises; 1 or more: so many steps.
        end: share of the learning rate that is left at the end.
    """
    rising = round(total_steps * warmup) if warmup < 1 else int(warmup)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        progress = min(1.0, (step - rising) / max(1, total_steps - rising))
        return end + (1 - end) * (1 + math.cos(math.pi * progress)) / 2

    return LambdaLR(optimizer, factor)
