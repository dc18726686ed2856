"""Look-up tables: their divisions, extremes and accuracy, and how modules of functions are prepared and converted."""

import copy
import functools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from golden_support import current_march, f32
from torch import Tensor, nn

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch._runtime.errors import ArgumentError
from horizon_plugin_pytorch._runtime.segment_table import ByteTable, SegmentTable, make_table
from horizon_plugin_pytorch._runtime.table_options import TableOptions
from horizon_plugin_pytorch.dtype import DTYPES
from horizon_plugin_pytorch.kernels import load
from horizon_plugin_pytorch.nn import SegmentLUT, qat, quantized, unary
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    convert_fx,
    get_default_qconfig,
    prepare_qat_fx,
    set_fake_quantize,
)

BAYES = load("bayes")
INT8, INT16 = DTYPES["qint8"], DTYPES["qint16"]
EVERY_INT8 = torch.arange(-128, 128).to(torch.int8)
EVERY_INT16 = torch.arange(-32768, 32768).to(torch.int16)
UNARY = tuple(
    value._TABULATED for value in vars(unary).values() if isinstance(value, type) and hasattr(value, "_TABULATED")
)


def segment_table(function: Callable[[Tensor], Tensor], s_in: float, s_out: float, **options: Any) -> SegmentTable:
    """An int16 table."""
    made = make_table(BAYES, function, TableOptions(**options), f32(s_in), f32(s_out), INT16, INT16)
    assert isinstance(made, SegmentTable)
    return made


def quantized_model(layer: nn.Module, x: Tensor, source: str, output: str, march: str) -> tuple[nn.Module, nn.Module]:
    """(QAT, converted) of a stub and a layer, calibrated with x."""
    model = nn.Sequential(QuantStub(), layer).eval()
    with current_march(march):
        rules = {"": _qconfig(output), "module_name": {"0": _qconfig(source)}}
        qat_model = prepare_qat_fx(model, rules).eval()
        set_fake_quantize(qat_model, FakeQuantState.CALIBRATION)
        qat_model(x)
        qat_model.eval()
        set_fake_quantize(qat_model, FakeQuantState.VALIDATION)
        return qat_model, convert_fx(qat_model)


def _qconfig(dtype: str) -> Any:
    return get_default_qconfig(activation_qkwargs={"dtype": dtype})


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


class TestModules:
    def test_a_module_of_torch_becomes_a_segment_table_on_bayes(self) -> None:
        qat_model, model = quantized_model(nn.SiLU(), torch.randn(2, 3), "qint8", "qint16", "bayes")
        assert type(qat_model[1]) is qat.segment_lut.SegmentLUT
        assert type(model[1]) is quantized.segment_lut.SegmentLUT

    def test_a_module_of_torch_keeps_its_name_without_segment_tables(self) -> None:
        qat_model, model = quantized_model(nn.SiLU(), torch.randn(2, 3), "qint8", "qint8", "bernoulli2")
        assert type(qat_model[1]) is qat.SiLU
        assert type(model[1]) is quantized.SiLU

    def test_a_function_keeps_one_child(self) -> None:
        qat_model, model = quantized_model(horizon.nn.Cos(), torch.randn(2, 3), "qint16", "qint16", "bayes")
        assert type(qat_model.get_submodule("1.cos")) is qat.SegmentLUT
        assert type(model.get_submodule("1.cos")) is quantized.SegmentLUT
        assert "1.cos.scale" in model.state_dict()

    def test_functions_and_methods_become_modules(self) -> None:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.quant = QuantStub()

            def forward(self, x: Tensor) -> Tensor:
                x = self.quant(x)
                return nn.functional.gelu(torch.sin(x).cos(), approximate="tanh")

        with current_march("bayes"):
            prepared = prepare_qat_fx(Net(), {"": _qconfig("qint16")})
        assert type(prepared._generated_sin_0) is horizon.nn.Sin
        assert type(prepared._generated_cos_0.cos) is qat.SegmentLUT
        assert prepared._generated_gelu_0.simulated_func.keywords == {"approximate": "tanh"}

    def test_what_a_march_cannot_do_is_told_with_the_operator(self) -> None:
        with pytest.raises(NotImplementedError, match="sin is not supported on bernoulli2"):
            quantized_model(horizon.nn.Sin(), torch.randn(3), "qint8", "qint8", "bernoulli2")

    def test_user_functions_need_segment_tables(self) -> None:
        with pytest.raises(NotImplementedError, match="segment_lut is not supported on bernoulli2"):
            quantized_model(SegmentLUT(torch.sin), torch.randn(3), "qint8", "qint8", "bernoulli2")

    def test_look_up_table_takes_int8_everywhere(self) -> None:
        for march in ("bernoulli", "bernoulli2", "bayes"):
            layer = horizon.nn.LookUpTable(torch.sigmoid)
            _, model = quantized_model(layer, torch.randn(2, 9), "qint8", "qint8", march)
            assert str(model(torch.randn(2, 9)).dtype) == "qint8"

    def test_tables_of_old_checkpoints_are_passed_over_with_a_warning(self) -> None:
        _, model = quantized_model(nn.Sigmoid(), torch.randn(2, 3), "qint8", "qint8", "bayes")
        state = {**model.state_dict(), "1.table": torch.zeros(6, 64), "1.max": torch.zeros(8)}
        with pytest.warns(UserWarning, match="table, max of the checkpoint are not used"):
            model.load_state_dict(state)

    def test_a_converted_table_is_copied_and_pickled(self) -> None:
        x = torch.randn(2, 9)
        _, model = quantized_model(nn.ELU(alpha=0.5), x, "qint16", "qint16", "bayes")
        with current_march("bayes"):
            expected = model(x).int_repr()
            assert torch.equal(copy.deepcopy(model)(x).int_repr(), expected)
            layer = pickle.loads(pickle.dumps(model[1]))
            assert torch.equal(layer(model[0](x)).int_repr(), expected)

    def test_qat_sees_the_float_function_and_its_gradient(self) -> None:
        with current_march("bayes"):
            layer = horizon.nn.HardLog()
            x = torch.tensor([0.0, 1e-6, 0.5, 2.0], requires_grad=True)
            layer(x).sum().backward()
        assert x.grad is not None
        assert x.grad.tolist() == [0.0, 0.0, 2.0, 0.5]
        assert layer(torch.tensor([0.0, -1.0])).tolist() == [-10.0, -10.0]

    def test_out_of_domain_by_a_step_is_no_nan(self) -> None:
        x = torch.linspace(-1, 1, 9)
        qat_model, model = quantized_model(horizon.nn.Acos(), x, "qint8", "qint16", "bayes")
        with current_march("bayes"):
            assert torch.isfinite(qat_model(x).dequantize()).all()
            assert torch.isfinite(model(x).dequantize()).all()

    def test_a_reciprocal_keeps_away_from_0(self) -> None:
        x = torch.tensor([0.0, 1e-9, -1e-9, 2.0])
        qat_model, _ = quantized_model(horizon.nn.Reciprocal(), x, "qint8", "qint16", "bayes")
        with current_march("bayes"):
            assert torch.isfinite(qat_model(x).dequantize()).all()

    def test_a_slope_for_each_channel_is_a_kernel(self) -> None:
        layer, x = nn.PReLU(3), torch.randn(2, 3, 4, 4)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([0.5, 0.1, -0.3]))
        qat_model, model = quantized_model(layer, x, "qint16", "qint16", "bayes")
        with current_march("bayes"):
            difference = model(x).int_repr().to(torch.int64) - qat_model(x).int_repr().to(torch.int64)
        assert difference.abs().max() <= 2

    @pytest.mark.parametrize(("exponent", "child"), [(2, "mul"), (3, "pow"), (0.5, "pow")])
    def test_a_square_is_a_product_and_other_powers_are_tables(self, exponent: float, child: str) -> None:
        layer = horizon.nn.Pow(exponent)
        assert [name for name, _ in layer.named_children()] == [child]
        x = torch.rand(20) + 0.1
        assert torch.allclose(layer(x), x**exponent)
        with pytest.raises(ValueError, match="called with 4"):
            layer(x, 4)

    def test_an_exponent_may_come_with_the_first_call(self) -> None:
        assert horizon.nn.Pow()(torch.tensor([2.0]), 3).tolist() == [8.0]

    def test_inplace_is_refused_where_the_contract_says_so(self) -> None:
        with pytest.raises(ValueError, match="inplace=False"):
            horizon.nn.Selu(inplace=True)

    def test_exact_qat_gives_the_integers_of_the_table(self) -> None:
        x = torch.randn(50)
        qat_model, model = quantized_model(nn.GELU(), x, "qint16", "qint16", "bayes")
        with current_march("bayes"):
            set_fake_quantize(qat_model, FakeQuantState.VALIDATION, exact=True)
            assert torch.equal(qat_model(x).dequantize(), model(x).dequantize())

    def test_channels_with_scales_of_their_own_are_refused(self) -> None:
        with current_march("bayes"):
            _, model = quantized_model(nn.Sigmoid(), torch.randn(2, 3), "qint8", "qint8", "bayes")
            x = QTensor(torch.zeros(2, 3, dtype=torch.int8), torch.ones(3), INT8, 1)
            with pytest.raises(ValueError, match="one scale"):
                model[1](x)

    def test_settings_are_carried_by_a_partial_function(self) -> None:
        qat_model, _ = quantized_model(nn.LeakyReLU(0.3), torch.randn(4), "qint8", "qint16", "bayes")
        function = qat_model[1].simulated_func
        assert isinstance(function, functools.partial)
        assert function.keywords == {"negative_slope": 0.3}
