"""A bar on a terminal where tqdm is installed; silence elsewhere."""

import io
import sys

import pytest
from stages import prepared, stages

from horizon_plugin_pytorch._runtime.progress import progress
from horizon_plugin_pytorch.quantization import calibrate


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm", reason="the extra 'progress' is not installed")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert list(progress(range(3), "calibration")) == [0, 1, 2]
    assert "calibration" in terminal.getvalue()


def test_calibration_shows_a_bar_of_its_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm", reason="the extra 'progress' is not installed")
    net = stages("resnet")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    calibrate(prepared(net.float, net.wide, qat=False), [net.inputs] * 2)
    assert "calibration" in terminal.getvalue()
    assert "/2" in terminal.getvalue()


def test_nothing_is_printed_elsewhere(capsys: pytest.CaptureFixture) -> None:
    assert list(progress(range(3), "calibration")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_a_terminal_without_tqdm_sees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert list(progress(iter("ab"), "calibration")) == ["a", "b"]
    assert terminal.getvalue() == ""
