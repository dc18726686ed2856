"""Real data for the accuracy benchmark, and how networks are trained on them.

In: scikit-learn's handwritten digits (1,797 images of 8x8 pixels), enlarged to 32x32. Out: one of three folds to validate
on and the other two to train on, a training loop, and the share of right answers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

FOLDS = 3
BATCH = 64


@dataclass(frozen=True, slots=True)
class Digits:
    """Images in (-1, 1), float32 [N, 3, 32, 32], and labels, int64 [N]."""

    images: Tensor
    labels: Tensor

    def batches(self, generator: torch.Generator) -> Iterator["Digits"]:
        """One epoch of whole batches in random order."""
        order = torch.randperm(len(self.labels), generator=generator)
        for start in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            yield Digits(self.images[chosen], self.labels[chosen])


def fold(number: int) -> tuple[Digits, Digits]:
    """(two thirds for training, the third of this number for validation)."""
    data = load_digits()
    small = torch.tensor(data.images, dtype=torch.float32)[:, None] / 8 - 1
    images = nn.functional.interpolate(small, size=32, mode="bilinear").expand(-1, 3, -1, -1).contiguous()
    labels = torch.tensor(data.target)
    held_out = torch.arange(len(labels)) % FOLDS == number
    return Digits(images[~held_out], labels[~held_out]), Digits(images[held_out], labels[held_out])


def train(model: nn.Module, data: Digits, epochs: int, rate: float, seed: int) -> None:
    """AdamW, with one cycle of cosines up to `rate` and down to nothing."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-4)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * (len(data.labels) // BATCH))
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        _epoch(model, data.batches(generator), optimizer, cycle)


def fine_tune(
    model: nn.Module,
    data: Digits,
    epochs: int,
    rate: float,
    seed: int,
    before_last: Callable[[nn.Module], object] | None = None,
) -> None:
    """SGD with momentum, and half a cosine from `rate` down to nothing; `before_last` is called before the last epoch.

    A network that is right on nearly all training images has hardly any gradient. AdamW divides by it, so that its weights
    would wander as far as those of an untrained one; steps of SGD are as small as the gradient is.
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, weight_decay=1e-4)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * (len(data.labels) // BATCH))
    generator = torch.Generator().manual_seed(seed)
    for epoch in range(epochs):
        if before_last is not None and epoch == epochs - 1:
            before_last(model)
        _epoch(model, data.batches(generator), optimizer, cosine)


def _epoch(
    model: nn.Module,
    batches: Iterator[Digits],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    for batch in batches:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(batch.images), batch.labels).backward()
        optimizer.step()
        schedule.step()


def points(model: nn.Module, data: Digits) -> float:
    """The share of digits that are named right, in percent."""
    with torch.no_grad():
        right = [model(x).argmax(1) == y for x, y in zip(data.images.split(128), data.labels.split(128), strict=True)]
    return 100 * torch.cat(right).to(torch.float64).mean().item()
