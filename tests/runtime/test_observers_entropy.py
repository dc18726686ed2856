"""KLObserver over several batches: its histogram, its interval, its state."""

import math

import pytest
import slow_observers as slow
import torch

from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import observer_v2 as v2

LAST = {"update_interval": 2, "averaging_constant": 1.0}


@pytest.fixture(autouse=True)
def _march() -> None:
    set_march("bayes")


def made(seed: int) -> torch.Tensor:
    return torch.randn(2000, generator=torch.Generator().manual_seed(seed))


def test_counts_all_batches_and_searches_at_the_interval() -> None:
    observer = v2.KLObserver(**LAST)
    x = made(0)
    x[0] = 5.0  # the widest value comes first, so that the width of a bin is that of the slow version
    observer(x[:1000])
    assert not observer.has_data
    observer(x[1000:])
    assert observer.max_val.item() == pytest.approx(slow.kl(x.tolist())[1], rel=1e-5)


def test_a_wider_batch_adds_bins_of_the_same_width() -> None:
    observer = v2.KLObserver(**LAST)
    observer(torch.linspace(0, 1, 1000))
    width = observer.bin_width.item()
    observer(torch.linspace(0, 3, 1000))
    assert observer.bin_width.item() == width
    assert observer.histogram.numel() == 3 * 512
    assert observer.histogram.sum().item() == 2000


def test_bins_are_merged_when_there_would_be_too_many() -> None:
    observer = v2.KLObserver(**LAST)
    observer(torch.full((10,), 1e-6))
    observer(torch.linspace(0, 1, 1000))
    assert observer.histogram.numel() <= 1 << 14
    assert observer.histogram.sum().item() == 1010
    assert 0.5 < observer.max_val.item() <= 1.01


def test_resumes_from_a_state_to_the_same_range() -> None:
    whole, half, rest = (v2.KLObserver(**LAST) for _ in range(3))
    for seed in range(4):
        whole(made(seed))
    half(made(0))
    half(made(1))
    half(made(2))
    rest.load_state_dict(half.state_dict())
    rest(made(3))
    assert torch.equal(rest.max_val, whole.max_val)


def test_other_observers_load_its_state() -> None:
    kl, other = v2.KLObserver(**LAST), v2.MinMaxObserver()
    kl(made(0))
    kl(made(1))
    other.load_state_dict(kl.state_dict())
    assert torch.equal(other.max_val, kl.max_val)
    fresh = v2.KLObserver(**LAST)
    fresh.load_state_dict(other.state_dict())
    assert fresh.histogram.numel() == 0
    assert torch.equal(fresh.max_val, kl.max_val)


def test_a_tail_is_cut_and_a_flat_histogram_is_not() -> None:
    tailed, flat = v2.KLObserver(**LAST), v2.KLObserver(**LAST)
    x = made(0) ** 3
    for _ in range(2):
        tailed(x)
        flat(torch.linspace(0, 1, 51200))
    assert tailed.max_val.item() < 0.8 * x.abs().max().item()
    assert flat.max_val.item() > 0.9


def test_wide_dtypes_keep_the_whole_range() -> None:
    observer = v2.KLObserver(dtype="qint16", **LAST)
    x = made(0)
    observer(x)
    observer(x)
    assert observer.max_val.item() == pytest.approx(x.abs().max().item(), rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [({"bins": 255}, "bins must be at least 256"), ({"update_interval": 0}, "update_interval must be positive")],
)
def test_arguments(arguments: dict[str, int], match: str) -> None:
    with pytest.raises(AssertionError, match=match):
        v2.KLObserver(**arguments)


def test_warns_of_a_search_at_every_batch() -> None:
    with pytest.warns(UserWarning, match="searches at every batch"):
        v2.KLObserver()


def test_divergence_is_infinite_where_quantization_drops_a_bin() -> None:
    assert slow.divergence([1.0, 0.0, 3.0], 2, 2) == math.inf
    counts = torch.tensor([1.0, 0.0, 3.0], dtype=torch.float64)
    from horizon_plugin_pytorch._runtime.observer_entropy import divergences_of

    assert divergences_of(counts, torch.tensor([2, 3]), 2).tolist() == [
        math.inf,
        pytest.approx(slow.divergence([1.0, 0.0, 3.0], 3, 2)),
    ]
