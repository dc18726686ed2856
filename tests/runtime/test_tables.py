"""Look-up tables: their divisions, extremes and accuracy."""

from typing import Any

import numpy as np
import pytest
import torch
from golden_support import f32
from tables import BAYES, EVERY_INT8, EVERY_INT16, INT8, INT16, UNARY, quantized_model, segment_table
from torch import Tensor, nn

from horizon_plugin_pytorch._runtime.errors import ArgumentError
from horizon_plugin_pytorch._runtime.segment_table import ByteTable, SegmentTable, make_table
from horizon_plugin_pytorch._runtime.table_options import TableOptions
from horizon_plugin_pytorch.kernels import load
from horizon_plugin_pytorch.nn import SegmentLUT, unary


class TestDivision:
    def test_even_segments_have_one_length(self) -> None:
        limits = segment_table(torch.sigmoid, 2.0**-12, 2.0**-15).limits.tolist()
        assert limits == [-32768, -21846, -10923, 0, 10922, 21845, 32767, 32767] or np.ptp(np.diff(limits[:7])) <= 2

    def test_curvature_makes_short_segments_where_the_function_bends(self) -> None:
        limits = segment_table(torch.exp, 2.0**-12, 2.0**-4, auto_divide_strategy="curvature").limits
        lengths = limits[1:7] - limits[:6]
        assert lengths[0] == lengths.max()
        assert lengths[5] == lengths.min()

    def test_a_line_needs_one_table(self) -> None:
        table = segment_table(lambda x: x, 2.0**-15, 2.0**-15, auto_divide_strategy="curvature")
        assert torch.equal(table.limits, torch.tensor([-32768, *[32767] * 7]))

    def test_given_points_are_the_limits(self) -> None:
        points = (-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 100.0)
        table = segment_table(torch.tanh, 2.0**-12, 2.0**-15, dividing_points=points)
        assert table.limits.tolist() == [-12288, -4096, -2048, 0, 2048, 4096, 12288, 32767]

    def test_an_odd_function_is_tabulated_from_0(self) -> None:
        table = segment_table(torch.tanh, 2.0**-12, 2.0**-15, is_centrosymmetric=True)
        assert table.limits[0] == 0
        y = table.look_up(BAYES, EVERY_INT16).to(torch.int64)
        assert torch.equal(y[1:32768], -y[32769:].flip(0))

    def test_input_range_narrows_both_ends(self) -> None:
        limits = segment_table(torch.exp, 2.0**-12, 2.0**-9, input_range=(-3, 1)).limits
        assert limits[[0, 6]].tolist() == [-3 * 4096, 4096]

    def test_an_inverse_spares_what_the_output_cannot_show(self) -> None:
        falling = segment_table(
            torch.reciprocal, 2.0**-10, 2.0**-13, input_range=(0.001, None), inverse_func=torch.reciprocal
        )
        assert falling.limits[0] == 256  # 1 / (32767 * 2**-13) is 0.25
        rising = segment_table(torch.log, 2.0**-12, 2.0**-15, input_range=(0.01, None), inverse_func=torch.exp)
        assert rising.limits[0] == 1507  # exp(-1) in steps of 2**-12

    def test_gradients_are_those_of_the_lines(self) -> None:
        table = segment_table(torch.sin, 2.0**-12, 2.0**-15, input_range=(-1, 1), gradients=(0, 0))
        y = table.look_up(BAYES, torch.tensor([-32768, -4096, 4096, 32767], dtype=torch.int16))
        assert y[0] == y[1]
        assert y[2] == y[3]


class TestExtremes:
    def test_nan_in_range_is_an_error_that_names_the_operator(self) -> None:
        _, message = quantized_error(SegmentLUT(torch.log, auto_divide_strategy="curvature"), torch.tensor([0.5, 1.0]))
        assert "1: segment_lut (SegmentLUT): the function to tabulate is NaN at -1" in message
        assert "input_range" in message

    def test_infinity_in_a_curvature_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="not finite near"):
            segment_table(
                lambda x: 1 / x.clamp(min=0), 2.0**-12, 1.0, input_range=(0, 1), auto_divide_strategy="curvature"
            )

    def test_a_saturating_function_saturates(self) -> None:
        table = segment_table(lambda x: 1e6 * x, 2.0**-12, 2.0**-15)
        assert table.look_up(BAYES, torch.tensor([-32768, 32767], dtype=torch.int16)).tolist() == [-32768, 32767]

    def test_the_smallest_integer_of_an_odd_function_mirrors_the_largest(self) -> None:
        table = segment_table(torch.tanh, 2.0**-12, 2.0**-16, is_centrosymmetric=True)
        assert table.look_up(BAYES, torch.tensor([-32768, 32767], dtype=torch.int16)).tolist() == [-32767, 32767]

    def test_exp_beyond_what_the_output_shows_saturates(self) -> None:
        tabulated = unary.Exp._TABULATED
        made = make_table(BAYES, tabulated.function, tabulated.options, f32(2.0**-9), f32(2.0**-8), INT16, INT16)
        y = made.look_up(BAYES, torch.tensor([0, 2484, 2600, 32767], dtype=torch.int16)).tolist()
        assert 240 < y[0] < 280  # what tables of 64 resolve over a range of 69
        assert min(y[2:]) == 32767

    @pytest.mark.parametrize("points", [(0.0,) * 7, (0.0, 1.0)])
    def test_a_wrong_number_of_points_is_an_error(self, points: tuple[float, ...]) -> None:
        with pytest.raises(ValueError, match="8 values"):
            segment_table(torch.tanh, 1e-3, 1e-4, dividing_points=points)

    @pytest.mark.parametrize(
        "arguments",
        [
            {"auto_divide_strategy": "even"},
            {"dividing_points": (1.0, 0.0)},
            {"input_range": (1,)},
            {"num_entries_per_table": 32},
        ],
    )
    def test_wrong_arguments_are_told(self, arguments: dict[str, Any]) -> None:
        with pytest.raises(ArgumentError, match=next(iter(arguments))):
            SegmentLUT(torch.tanh, **arguments)


def quantized_error(layer: nn.Module, x: Tensor) -> tuple[type, str]:
    """Type and text of what conversion raises."""
    with pytest.raises(ValueError, match="tabulate") as caught:
        quantized_model(layer, x, "qint16", "qint16", "bayes")
    return caught.type, str(caught.value)


class TestInt8:
    @pytest.mark.parametrize("march", ["bernoulli", "bernoulli2", "bayes"])
    def test_entries_are_those_of_an_independent_table(self, march: str) -> None:
        s_in, s_out = np.float32(2.0**-5), np.float32(2.0**-7)
        x = np.arange(-128, 128).astype(np.float32) * s_in
        values = (torch.sigmoid(torch.from_numpy(x)).numpy() / s_out).astype(np.float32)
        rounded = np.floor(values) if march == "bernoulli" else np.floor(values + np.float32(0.5))
        made = make_table(load(march), torch.sigmoid, TableOptions(), f32(s_in), f32(s_out), INT8, INT8)
        assert isinstance(made, ByteTable)
        assert made.look_up(load(march), EVERY_INT8).tolist() == np.clip(rounded, -128, 127).astype(int).tolist()

    @pytest.mark.parametrize("tabulated", UNARY, ids=lambda t: t.op)
    def test_every_input_is_within_1_step_of_the_float_function(self, tabulated: Any) -> None:
        s_in = 1 / 64
        x = EVERY_INT8.to(torch.float32) * s_in
        y = tabulated.function(x)
        s_out = float(y[torch.isfinite(y)].abs().clamp(max=100).max() / 127)
        made = make_table(BAYES, tabulated.function, tabulated.options, f32(s_in), f32(s_out), INT8, INT8)
        found = made.look_up(BAYES, EVERY_INT8).to(torch.float32) * s_out
        inside = torch.isfinite(y) & (y.abs() <= 127 * s_out)
        assert ((found - y)[inside].abs() <= s_out).all()


class TestInt16:
    """Against linear interpolation of the float function at the table's own points: what remains is rounding."""

    @pytest.mark.parametrize("tabulated", [t for t in UNARY if t.options.kernel is None], ids=lambda t: t.op)
    def test_rounding_costs_at_most_2_steps_at_the_resolution_of_the_table(self, tabulated: Any) -> None:
        s_in = 2.0**-14
        high = tabulated.function(torch.linspace(0.02, 1.9, 500)).abs()
        s_out = float(high[torch.isfinite(high)].max() / 32000)
        made = make_table(BAYES, tabulated.function, tabulated.options, f32(s_in), f32(s_out), INT16, INT16)
        assert isinstance(made, SegmentTable)
        x = EVERY_INT16[32768 if made.odd else 0 :]
        x = x[(x > made.limits[0]) & (x <= made.limits[6])]
        found = made.look_up(BAYES, x).to(torch.float64)
        assert (found - _interpolated(made, x)).abs().max() <= 2


def _interpolated(table: SegmentTable, x: Tensor) -> Tensor:
    """The entries between which an exact position lies, interpolated in float64 at the position that the line gives, rounded to 1/256."""
    segment = torch.searchsorted(table.limits, x.to(torch.int64))
    k, b = (getattr(table, name)[segment].to(torch.float64) for name in ("k", "b"))
    left, right = (2.0 ** getattr(table, name)[segment].to(torch.float64) for name in ("left", "right"))
    position = torch.floor((x * k + b * left) / right + 0.5).clamp(0, 63 * 256) / 256
    index = position.floor().to(torch.int64).clamp(max=62)
    entries = table.values.reshape(-1, 64).to(torch.float64)
    low, high = entries[segment - 1, index], entries[segment - 1, index + 1]
    return (low + (high - low) * (position - index)).clamp(-32768, 32767)
