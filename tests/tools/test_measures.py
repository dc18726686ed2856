"""Metrics equal their definitions, also at the ends."""

import math

import pytest
import torch

from horizon_plugin_pytorch._runtime.profiler.measures import is_worse, measure_named

A, B = torch.tensor([3.0, 4.0]), torch.tensor([4.0, 3.0])
ZERO = torch.zeros(2)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("Cosine", 24 / 25),
        ("MSE", 1.0),
        ("L1", 1.0),
        ("SQNR", 10 * math.log10(25 / 2)),
        ("KL", (math.e - 1) / (math.e + 1)),
    ],
)
def test_definitions(metric: str, expected: float) -> None:
    assert measure_named(metric)(A, B) == pytest.approx(expected)


def test_a_tensor_of_zeros_has_cosine_0() -> None:
    assert measure_named("Cosine")(ZERO, ZERO) == measure_named("Cosine")(A, ZERO) == 0


def test_equal_tensors_have_an_infinite_sqnr() -> None:
    assert measure_named("SQNR")(A, A) == measure_named("SQNR")(ZERO, ZERO) == math.inf


def test_a_function_is_a_metric() -> None:
    assert measure_named(lambda a, b: (a - b).abs().max())(A, B) == 1


def test_a_misspelled_metric_is_told() -> None:
    with pytest.raises(ValueError, match="did you mean 'Cosine'"):
        measure_named("Cosin")


@pytest.mark.parametrize(
    ("metric", "value", "worse"), [("Cosine", 0.9, True), ("MSE", 0.9, True), ("SQNR", 30.0, False)]
)
def test_worse_is_lower_or_higher_as_the_metric_says(metric: str, value: float, worse: bool) -> None:
    assert is_worse(metric, value, None) is worse
