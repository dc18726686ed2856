"""QAT on several machines: equal scales everywhere, and the result of one machine with the whole batch."""

import pytest
import torch
from two_processes import batch, calibrated, half, on_both, trained

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch.quantization.observer_v2 import MinMaxObserver


@pytest.fixture(scope="module")
def ranks():
    return on_both(half)


@pytest.fixture
def states(ranks):
    return [state for state, _, _ in ranks]


@pytest.fixture
def scales(ranks):
    return [scales for _, scales, _ in ranks]


def _scales(state):
    return {name: value for name, value in state.items() if name.endswith(".scale")}


def test_ranks_end_with_equal_scales(states) -> None:
    first, second = map(_scales, states)
    assert first
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_ranks_end_with_equal_weights(states) -> None:
    first, second = states
    assert all(torch.equal(first[name], second[name]) for name in first if name.endswith("weight"))


def test_two_halves_train_as_the_whole_batch(states) -> None:
    whole = trained(batch())
    for name, value in whole.items():
        if "min_val" not in name and "max_val" not in name:
            torch.testing.assert_close(states[0][name], value, rtol=1e-4, atol=1e-5)


def test_united_ranges_are_those_of_the_whole_batch(scales) -> None:
    horizon.march.set_march("bayes")
    observer = MinMaxObserver()
    observer(batch())
    assert all(torch.equal(rank[0], observer.calculate_qparams()[0]) for rank in scales)


def test_ranges_stay_apart_unless_united(scales) -> None:
    assert scales[0][1] < scales[1][1]


def test_channels_are_united_one_by_one(scales) -> None:
    horizon.march.set_march("bayes")
    observer = MinMaxObserver(qscheme=torch.per_channel_symmetric, ch_axis=1)
    observer(batch())
    assert all(torch.equal(rank[2], observer.calculate_qparams()[0]) for rank in scales)


def test_ranks_correct_biases_equally(ranks) -> None:
    (_, _, first), (_, _, second) = ranks
    assert first["conv.bias_shift"].count_nonzero()
    assert all(torch.equal(first[name], second[name]) for name in first if name.endswith("bias_shift"))


def test_two_halves_correct_biases_as_the_whole_batch(ranks) -> None:
    whole, (_, _, state) = calibrated(batch()), ranks[0]
    shifts = [name for name in whole if name.endswith("bias_shift")]
    assert shifts
    for name in shifts:
        torch.testing.assert_close(state[name], whole[name], rtol=1e-5, atol=1e-7)
