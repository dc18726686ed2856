"""The demo as users run it, with little training: what it prints, and the picture."""

import argparse
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from generator.cli import demo as command
from horizon_plugin_pytorch._marches import MARCH_IDS
from horizon_plugin_pytorch._runtime import march as state
from horizon_plugin_pytorch.demo import data, deploy
from horizon_plugin_pytorch.demo.__main__ import main
from horizon_plugin_pytorch.demo.flow import Budget
from horizon_plugin_pytorch.demo.report import Progress
from horizon_plugin_pytorch.demo.run import run

SMALL = Budget(training=25, calibration=2, qat=2, batch=16, validation=16)
CONVERTS = tuple(march for march in MARCH_IDS if deploy.refusal(march) is None)
REFUSES = tuple(march for march in MARCH_IDS if march not in CONVERTS)


@pytest.fixture(autouse=True)
def _restore_march():
    before = state.get_march()
    yield
    state._Process.march = before


def printed(marches: tuple[str, ...], out: Path, budget: Budget = SMALL) -> str:
    stream = io.StringIO()
    run(marches, out, budget, Progress(stream))
    return stream.getvalue()


def rows_below(text: str, header: str) -> list[list[str]]:
    """The cells of the first table whose header begins with `header`."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(header):
            break
    assert set(next(lines)) == {"-", " "}
    rows = []
    for line in lines:
        if not line.strip():
            break
        rows.append(re.split(r"\s{2,}", line.strip()))
    return rows


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    before = state.get_march()
    out = tmp_path_factory.mktemp("demo")
    text = printed((CONVERTS[0],), out)
    state._Process.march = before
    return text, out / "demo.png"


def test_graphs_are_printed_before_and_after(converted: tuple[str, Path]) -> None:
    text, _ = converted
    tables = re.split(r"(?m)^opcode +name +target +args +kwargs$", text)[1:]
    traced, quantized, before, after = tables
    assert "<function max_pool2d>" in traced
    assert traced.count("call_module") > quantized.count("call_module")
    assert "<function" not in quantized
    assert before.splitlines()[2] == quantized.splitlines()[2]
    (inserted,) = [line for line in after.splitlines() if line.startswith("call_function")]
    assert "'swing': 'full'" in inserted
    assert "'q_scale'" in inserted


def test_layers_have_scales_and_similarities(converted: tuple[str, Path]) -> None:
    rows = rows_below(converted[0], "layer")
    assert len(rows) >= 12
    assert rows[0][:3] == ["quant", "Quantize", "qint8"]
    eight_bit = [row for row in rows if row[2] == "qint8"]
    assert len(eight_bit) >= 12
    for _, _, _, scale, calibration, conversion, steps in eight_bit:
        assert float(scale) > 0
        assert 0.9 < float(calibration) <= 1
        assert 0.98 < float(conversion) <= 1
        assert float(steps) < 3
    assert [row[2] for row in rows][-2:] == ["qint32", "float32"]


def test_accuracy_of_every_stage(converted: tuple[str, Path]) -> None:
    ((march, *shares),) = rows_below(converted[0], "march")
    assert march == CONVERTS[0]
    assert len(shares) == 5
    values = [float(share.removesuffix(" %")) for share in shares]
    assert min(values) > 55
    assert max(values) - min(values) < 15


def test_yuv_agrees_with_rgb(converted: tuple[str, Path]) -> None:
    figures = dict(rows_below(converted[0], "YUV-fed"))
    assert float(figures["pixels for which both name the same photo"].removesuffix(" %")) > 95
    assert float(figures["mean difference at the first layer's input, in steps"]) < 1.5
    assert float(figures["cosine of the logits"]) > 0.99


def test_picture(converted: tuple[str, Path]) -> None:
    file = Image.open(converted[1])
    assert file.format == "PNG"
    picture = file.convert("RGB")
    assert picture.size == (1280, 1312)
    assert len(colors(picture)) > 10_000
    bands = [picture.crop((0, y, picture.width, y + 10)) for y in range(0, picture.height, 10)]
    assert sum(len(colors(band)) < 2 for band in bands) < len(bands) / 2


def test_picture_shows_the_photo_there_and_back(converted: tuple[str, Path]) -> None:
    picture = Image.open(converted[1]).convert("RGB")
    photo, luma, back = (panel(picture, column) for column in (0, 1, 4))
    assert len(colors(photo)) > 5_000
    assert all(red == green == blue for red, green, blue in colors(luma))
    assert mean_difference(photo, back) < 2
    assert mean_difference(photo, luma) > 10


def colors(picture: Any) -> set[tuple[int, int, int]]:
    return {color for _, color in picture.getcolors(picture.width * picture.height)}


def panel(picture: Any, column: int) -> Any:
    left = 48 + column * (187 + 12)
    return picture.crop((left, 188, left + 187, 188 + 125))


def mean_difference(first: Any, second: Any) -> float:
    x, y = (
        torch.frombuffer(bytearray(part.tobytes()), dtype=torch.uint8).to(torch.float32) for part in (first, second)
    )
    return float((x - y).abs().mean())


@pytest.mark.skipif(not REFUSES, reason="every march converts colours")
def test_a_march_without_colour_conversion_is_told_so(tmp_path: Path) -> None:
    text = printed((REFUSES[0],), tmp_path, Budget(training=2, calibration=1, qat=1, batch=4, validation=4))
    (line,) = [line for line in text.splitlines() if "no RGB888 deployment" in line]
    assert REFUSES[0] in line
    assert str(deploy.refusal(REFUSES[0])) in line
    assert (tmp_path / "demo.png").stat().st_size > 10_000


def test_an_operator_that_a_march_refuses_leaves_the_march_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise NotImplementedError("stem.0: no such layer")

    monkeypatch.setattr(sys.modules[run.__module__], "run_march", refuse)
    text = printed((MARCH_IDS[0],), tmp_path, Budget(training=2, calibration=1, qat=1, batch=4, validation=4))
    assert f"{MARCH_IDS[0]}: left out, stem.0: no such layer" in text
    assert (tmp_path / "demo.png").exists()


def test_unknown_march(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--march", "nowhere"]) == 1
    error = capsys.readouterr().err
    assert "nowhere" in error
    assert all(march in error for march in MARCH_IDS)
    assert error.count("\n") == 1


@pytest.mark.parametrize("steps", ["0", "-1", "many"])
def test_steps_that_are_no_count(steps: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([f"--steps={steps}"])
    assert f"at least 1, not '{steps}'" in capsys.readouterr().err


def test_missing_packages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(data._PACKAGES, "no_such_package", "NoSuchPackage")
    assert main([]) == 1
    assert "NoSuchPackage: pip install 'open-horizon-plugin[demo]'" in capsys.readouterr().err


def test_mosaics_repeat_and_do_not_mix_training_with_validation() -> None:
    photos = data.load_photos()
    first, second = (data.Mosaics(photos, data.TRAINING_BANDS, seed=3).batch(4, 32) for _ in range(2))
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.labels, second.labels)
    assert 0 < float(first.labels.double().mean()) < 1
    columns = [
        {band + x for band in bands for x in range(data.BAND)} for bands in (data.TRAINING_BANDS, data.VALIDATION_BANDS)
    ]
    assert not columns[0] & columns[1]
    assert max(columns[0] | columns[1]) < photos[0].pixels.shape[2] // 2


def test_the_command_builds_first_and_needs_no_install(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[list[str], str]] = []

    def record(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        calls.append((arguments[1:], options["env"]["PYTHONPATH"].split(os.pathsep)[0]))
        return subprocess.CompletedProcess(arguments, 0)

    monkeypatch.setattr(command.subprocess, "run", record)
    args = argparse.Namespace(march="m", out="o")
    monkeypatch.setattr(command.build, "run", lambda _args, _root: 1)
    assert command.run(args, Path("somewhere")) == 1
    assert not calls
    monkeypatch.setattr(command.build, "run", lambda _args, _root: 0)
    assert command.run(args, Path("somewhere")) == 0
    demo = ["-u", "-m", "horizon_plugin_pytorch.demo", "--march", "m", "--out", "o"]
    assert calls == [(demo, str(Path("somewhere/generated")))]
