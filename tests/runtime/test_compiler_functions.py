"""The functions that need the vendor's compiler: they validate, check, and say what is needed."""

import inspect
from collections.abc import Iterator

import pytest
from checked_models import IMAGE, prepared
from torch import nn

from horizon_plugin_pytorch import quantization as hq
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import (
    CompilerUnavailableError,
)


@pytest.fixture(autouse=True)
def _bayes() -> Iterator[None]:
    set_march("bayes")
    yield
    set_march("bayes")


CALLS = {
    "compile_model": {"hbm": "model.hbm"},
    "perf_model": {},
    "visualize_model": {},
    "export_hbir": {"hbir": "model.hbir"},
}


@pytest.mark.parametrize("name", CALLS)
def test_the_compilers_functions_check_then_say_what_is_needed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CompilerUnavailableError, match=f"^{name} needs the vendor's compiler") as raised:
        getattr(hq, name)(prepared(nn.ReLU()), IMAGE, **CALLS[name])
    assert isinstance(raised.value, RuntimeError)
    assert "This model is supported!" in capsys.readouterr().out


@pytest.mark.parametrize("name", CALLS)
def test_the_compilers_functions_validate_first(name: str) -> None:
    with pytest.raises(TypeError, match="has no quantized layer"):
        getattr(hq, name)(nn.ReLU(), IMAGE, **CALLS[name])


def test_options_of_the_compiler_are_validated() -> None:
    with pytest.raises(ValueError, match="unknown opt 'O4'"):
        hq.compile_model(prepared(nn.ReLU()), IMAGE, "a.hbm", opt="O4")


SIGNATURES = {
    "check_model": "module, example_inputs, march=None, input_source='ddr', advice=None, check_quanti_param=True",
    "compile_model": "module, example_inputs, hbm, march=None, name=None, input_source='ddr', input_layout=None, "
    "output_layout='NCHW', opt='O2', balance_factor=2, progressbar=True, jobs=16, debug=True, extra_args=None",
    "perf_model": "module, example_inputs, march=None, out_dir='.', name=None, hbm=None, input_source='ddr', "
    "input_layout=None, output_layout='NCHW', opt='O3', balance_factor=2, progressbar=True, jobs=16, layer_details=False, "
    "extra_args=None",
    "visualize_model": "module, example_inputs, march=None, save_path=None, show=True",
    "export_hbir": "module, example_inputs, hbir, march=None",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_those_of_the_public_manual(name: str) -> None:
    parameters = inspect.signature(getattr(hq, name)).parameters.values()
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    assert ", ".join(map(str, plain)) == SIGNATURES[name]
