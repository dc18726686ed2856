"""The march and the dtypes: what is accepted, and what the errors say."""

import copy
import pickle

import pytest
import torch

from horizon_plugin_pytorch import dtype as dtypes
from horizon_plugin_pytorch._runtime import march as state
from horizon_plugin_pytorch._runtime.march import require_march
from horizon_plugin_pytorch.dtype import DTYPES, get_horizon_quant_dtype, qinfo, qint8, qint16, quint4
from horizon_plugin_pytorch.march import March, get_march, set_march, with_march


@pytest.fixture(autouse=True)
def _no_march() -> None:
    state._Process.march = None


def test_march_is_none_until_set() -> None:
    assert get_march() is None
    set_march(March.BAYES)
    assert get_march() == "bayes"


def test_unknown_march_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown march 'Bayes'; known: .*bayes-e.*did you mean 'bayes'"):
        set_march("Bayes")
    with pytest.raises(TypeError, match="takes a march's name, not int"):
        set_march(3)  # type: ignore[arg-type]
    assert get_march() is None


def test_require_march_says_what_to_do() -> None:
    with pytest.raises(
        RuntimeError, match=r"prepare_qat_fx needs a march: call set_march\(\.\.\.\) first, with one of 'b"
    ):
        require_march("prepare_qat_fx")


def test_with_march_fills_the_last_parameter() -> None:
    @with_march
    def check(model: str, march: str = "") -> tuple[str, str]:
        return model, march

    with pytest.raises(RuntimeError, match="check needs a march"):
        check("m")
    set_march("bayes")
    assert check("m") == ("m", "bayes")
    assert check("m", "bernoulli") == ("m", "bernoulli")
    assert check("m", march="bernoulli2") == ("m", "bernoulli2")


@pytest.mark.parametrize("name", DTYPES)
def test_dtype_is_a_str_with_facts(name: str) -> None:
    dtype = DTYPES[name]
    assert dtype == name
    assert str(dtype) == f"{dtype}" == name
    assert type(str(dtype)) is str
    assert {dtype: 1}[name] == 1
    assert dtype.min <= 0 < dtype.max
    assert dtype.max - dtype.min + 1 == 2**dtype.bits
    assert dtype.signed is (dtype.min < 0)
    assert dtype.fraction_bits == dtype.bits - 1
    assert copy.deepcopy(dtype) is dtype
    twin = pickle.loads(pickle.dumps(dtype))
    assert (twin, twin.min, twin.max, twin.storage) == (dtype, dtype.min, dtype.max, dtype.storage)


def test_dtype_is_read_only() -> None:
    with pytest.raises(AttributeError, match="qint8 is read-only"):
        qint8.min = 0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        qint8.other = 0  # type: ignore[attr-defined]


def test_narrower_range() -> None:
    narrow = qint8.with_range(-127, 127)
    assert (narrow, narrow.min, narrow.max, narrow.storage) == ("qint8", -127, 127, torch.int8)


@pytest.mark.parametrize("given", [qint8, "qint8", "torch.qint8", torch.qint8])
def test_every_spelling_of_a_dtype(given: object) -> None:
    assert get_horizon_quant_dtype(given) is qint8  # type: ignore[arg-type]


def test_unknown_dtype() -> None:
    with pytest.raises(ValueError, match=r"unknown quantized dtype 'int8'; known: qint4, .*did you mean 'qint8'"):
        get_horizon_quant_dtype("int8")
    with pytest.raises(ValueError, match="is no quantized dtype"):
        get_horizon_quant_dtype(torch.float32)
    with pytest.raises(TypeError, match="object, a name or a torch dtype, not 8"):
        get_horizon_quant_dtype(8)  # type: ignore[arg-type]


def test_qinfo() -> None:
    info = qinfo("qint16")
    assert (info.min, info.max, info._storage_type) == (-32768, 32767, torch.int16)
    assert not quint4.signed
    assert qinfo(dtypes.qint4).min == -8
    assert qinfo(qint16).max == 32767
