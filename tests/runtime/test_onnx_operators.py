"""specs/onnx.yaml is what the exporters really do: each operator's own test model is exported in both forms."""

import functools
import importlib
import io
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from horizon_plugin_pytorch.utils.onnx_helper import export_quantized_onnx, export_to_onnx, onnx_gaps

pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

ROOT = Path(__file__).parents[2]
SPEC = yaml.safe_load((ROOT / "specs" / "onnx.yaml").read_text(encoding="utf-8"))
MARCHES = ("bayes", "bernoulli2", "bernoulli")
SLOW = frozenset({"lstm"})
"""Its parts are those of an LSTM cell, step by step."""
EVERY = 3
"""Of the operators that are not listed, every so many is exported."""


@functools.cache
def harness() -> Any:
    sys.path.insert(0, str(ROOT / "generated" / "tests"))
    return importlib.import_module("harness_ops")


@functools.cache
def first_cases() -> dict[str, tuple[str, Any]]:
    """Operator -> (march, case): the first one of the first march that supports it."""
    harness()
    found: dict[str, tuple[str, Any]] = {}
    for march in MARCHES:
        for case in importlib.import_module(f"test_ops_{march}").SUPPORTED:
            found.setdefault(case.op, (march, case))
    return found


def gap_of(march: str, case: Any) -> str:
    run = harness()._run(march, case)
    return onnx_gaps(run.quantized, tuple(run.inputs))


@functools.cache
def gap(op: str) -> str:
    return gap_of(*first_cases()[op])


def always(kind: str) -> set[str]:
    return {op for op, found in SPEC[kind].items() if "only" not in found}


def test_operators_have_an_integer_form_unless_listed() -> None:
    others = [op for op in first_cases() if op not in SLOW and op not in SPEC["integers"]]
    assert {op for op in others[::EVERY] if gap(op)} == set()
    assert {op for op in SPEC["integers"] if gap(op)} == always("integers")


def test_the_reasons_are_those_that_the_exporter_gives() -> None:
    for op, found in SPEC["integers"].items():
        if found["because"] == "values":
            assert "depend on the values of tensors" in gap(op) or "aten.nonzero" in gap(op), op


def test_an_operator_that_is_missing_in_part_is_there_otherwise() -> None:
    cases = [case for case in importlib.import_module("test_ops_bayes").SUPPORTED if case.op == "pad"]
    gaps = {bool(gap_of("bayes", case)) for case in cases if case.source == "qint8"}
    assert gaps == {False, True}
    assert SPEC["integers"]["pad"]["only"]


def exported(op: str, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The QAT model of an operator's test."""
    import onnx

    march, case = first_cases()[op]
    kept: list[Any] = []
    convert = harness().convert_fx
    monkeypatch.setattr(harness(), "convert_fx", lambda model: kept.append(model) or convert(model))
    run, file = harness()._run(march, case), io.BytesIO()
    inputs = tuple(x.dequantize() if isinstance(x, harness().QTensor) else x for x in run.inputs)
    export_to_onnx(kept[0], inputs, file, opset_version=20)
    onnx.checker.check_model(onnx.load_from_string(file.getvalue()))
    return file.getvalue()


@pytest.mark.parametrize("op", sorted(SPEC["qdq"]))
def test_listed_operators_have_no_qdq_form(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((RuntimeError, ValueError, NotImplementedError, torch.onnx.OnnxExporterError)):
        exported(op, monkeypatch)


def test_other_operators_have_a_qdq_form(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [op for op, (_, case) in first_cases().items() if op not in SPEC["qdq"] and case.expected is None]
    for op in [op for op in others if op not in SLOW][::EVERY]:
        assert exported(op, monkeypatch), op


def test_flipped_and_truncated_images_are_equal_in_onnxruntime() -> None:
    march, case = first_cases()["bgr_to_yuv444"]
    run = harness()._run(march, case)
    assert torch.equal(computed(run, tuple(run.inputs)), run.integers[0])


def test_a_qtensor_that_enters_is_its_integers_in_the_file() -> None:
    cases = importlib.import_module("test_ops_bayes").SUPPORTED
    case = next(case for case in cases if case.op == "permute" and case.source == "qint32")
    run = harness()._run("bayes", case)
    given = computed(run, (run.inputs[0].int_repr(),))
    assert torch.equal(given, run.integers[0].int_repr())


def computed(run: Any, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """The first output of the integer form in onnxruntime."""
    import onnxruntime

    file = io.BytesIO()
    export_quantized_onnx(run.quantized, tuple(run.inputs), file)
    session = onnxruntime.InferenceSession(file.getvalue())
    names = [entry.name for entry in session.get_inputs()]
    return torch.from_numpy(session.run(None, {n: x.numpy() for n, x in zip(names, inputs, strict=True)})[0])


@pytest.mark.parametrize("op", ["acosh", "asinh", "atanh", "cosh", "sinh", "mul_scalar"])
def test_functions_that_torch_does_not_write_have_a_qdq_form(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert exported(op, monkeypatch)
