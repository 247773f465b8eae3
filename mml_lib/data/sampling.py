"""Sampling: the samples of each batch, as a function of seed and epoch."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from mml_lib.config.training_options import Sampling


class BatchSampler(Sampler[np.ndarray]):
    """Yields the positions of each batch of an epoch, shuffled.

    Batches depend only on seed and epoch, so an interrupted training continues with the same batches. If Lightning
    iterates several times in an epoch, because another task has more batches, each iteration has another order. A last
    batch with a single sample per process is left out, because batch normalisation cannot train on it.

    Args:
        labels: class index of each position, N.
        sampling: batch size, samples per epoch, balance.
        seed: seed of the training.
        rank: rank of this process among those of the training.
        world_size: number of processes of the training, which share each batch.
    """

    def __init__(self, labels: np.ndarray, sampling: Sampling, seed: int, rank: int = 0, world_size: int = 1):
        self.labels = labels
        self.sampling = sampling
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.rounds = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch. Lightning calls this."""
        self.epoch = epoch
        self.rounds = 0

    @property
    def num_samples(self) -> int:
        """Number of samples in an epoch."""
        return self.sampling.sample_num or max(len(self.labels), self.sampling.min_sample_num or 0)

    def __len__(self) -> int:
        full, rest = divmod(self.num_samples, self.sampling.batch_size)
        keep_rest = rest >= 2 * self.world_size and not self.sampling.drop_last
        return max(1, full + keep_rest)

    def __iter__(self) -> Iterator[np.ndarray]:
        repetition = [self.rounds] if self.rounds else []
        self.rounds += 1
        order = self._order(np.random.default_rng([self.seed, self.epoch, *repetition]))
        size = self.sampling.batch_size
        for number in range(len(self)):
            yield order[number * size : (number + 1) * size][self.rank :: self.world_size]

    def _order(self, rng: np.random.Generator) -> np.ndarray:
        if self.sampling.balanced:
            counts = np.bincount(self.labels)
            weights = 1 / counts[self.labels]
            return rng.choice(len(self.labels), self.num_samples, p=weights / weights.sum())
        # All samples are used once before any is repeated.
        rounds = -(-self.num_samples // len(self.labels))
        return np.concatenate([rng.permutation(len(self.labels)) for _ in range(rounds)])[: self.num_samples]
