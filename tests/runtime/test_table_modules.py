"""Modules of tabulated functions: how they are prepared, converted, copied and loaded."""

import copy
import functools
import pickle

import pytest
import torch
from golden_support import current_march
from tables import INT8, _qconfig, quantized_model
from torch import Tensor, nn

import horizon_plugin_pytorch as horizon
from horizon_plugin_pytorch.nn import SegmentLUT, qat, quantized
from horizon_plugin_pytorch.qtensor import QTensor
from horizon_plugin_pytorch.quantization import (
    FakeQuantState,
    QuantStub,
    prepare_qat_fx,
    set_fake_quantize,
)


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
