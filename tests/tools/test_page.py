"""The page is one file that a browser without a network draws; it stays small, and is left out where its library is."""

import re
import sys
from pathlib import Path

import pytest
import torch
from browser import CHROMIUM, SIZE, opened, picture, pixels_like
from stages import prepared
from torch import Tensor, nn

from horizon_plugin_pytorch._runtime.profiler import page as page_module
from horizon_plugin_pytorch._runtime.profiler.page import Sections, write_page
from horizon_plugin_pytorch.march import set_march
from horizon_plugin_pytorch.quantization import QuantStub, calibrate
from horizon_plugin_pytorch.utils import quant_profiler as qp

needs_browser = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")
LAYERS, FAULTY = 60, "layers.30"
LIGHT = {"ground": "#f4f5f7", "main": "#0067a8", "second": "#b8860b", "bad": "#c2410c"}
DARK = {"ground": "#11151b", "main": "#5cb8f0", "second": "#e3b341", "bad": "#ff8f5a"}
MIDDLE, RIGHT = (340, 360, 1240, SIZE[1]), (1250, 420, SIZE[0], SIZE[1])


class Deep(nn.Module):
    """A chain of convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub()
        self.layers = nn.Sequential(*(nn.Conv2d(3 if not i else 4, 4, 3, padding=1) for i in range(LAYERS)))
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x: Tensor) -> Tensor:
        return self.dequant(self.layers(self.quant(x)))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a model of 60 layers, one of which has a scale that is 8 times too large."""
    torch.manual_seed(0)
    set_march("bayes")
    net = Deep().eval()
    for layer in net.layers:
        nn.init.orthogonal_(layer.weight, gain=1.2)
    image = torch.randn(2, 3, 8, 8)
    model = calibrate(prepared(net, (), qat=False), [(image,)])
    model.get_submodule(FAULTY).activation_post_process.scale.mul_(8)
    folder = tmp_path_factory.mktemp("page")
    qp.model_profiler(net, model, image, "FvsQ", out_dir=folder)
    return folder / "profiler.html"


def test_the_report_of_60_layers_is_smaller_than_5_mb(page: Path) -> None:
    assert 500_000 < page.stat().st_size < 5_000_000


def test_the_report_names_nothing_that_is_elsewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    own = text[: text.index("<script>")] + text[text.rindex("<script>") :]
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)|@import|url\(""", own)


@needs_browser
def test_the_report_opens_without_a_word_on_the_console_and_draws_every_chart(page: Path) -> None:
    found = opened(page)
    assert found.console == []
    assert 'data-ready="true"' in found.document
    for chart in ("similarity", "alone", "sensitivity", "weights"):
        drawn = found.document.split(f'id="{chart}"')[1][:3000]
        assert "<svg" in drawn, chart
    assert found.document.count('<g class="layer') >= LAYERS
    assert found.document.split('id="detail-title"')[1].startswith(f">{FAULTY}<")  # the worst layer is picked


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_a_picture_of_the_report_shows_its_plots(page: Path, dark: bool) -> None:
    image, colors = picture(page, dark=dark), DARK if dark else LIGHT
    assert image.getpixel((5, SIZE[1] - 5)) == tuple(int(colors["ground"][i : i + 2], 16) for i in (1, 3, 5))
    assert pixels_like(image, colors["main"], MIDDLE) > 1000  # points of the similarity and of the sensitivity
    assert pixels_like(image, colors["second"], MIDDLE) > 5000  # bars of the weight ranges
    assert pixels_like(image, colors["second"], RIGHT) > 500  # channels of the picked layer
    assert pixels_like(image, colors["bad"], (0, 0, *SIZE)) > 200  # the finding


def test_without_the_library_the_text_files_are_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    monkeypatch.setattr(page_module, "_library", page_module._library.__wrapped__)  # without its memory
    with pytest.warns(UserWarning, match=r"open-horizon-plugin\[report\]"):
        assert not write_page(tmp_path / "profiler.html", Sections())
    assert not list(tmp_path.iterdir())


def test_names_of_layers_cannot_end_the_script(tmp_path: Path) -> None:
    write_page(tmp_path / "x.html", Sections(subtitle="</script><b>"))
    assert "</script><b>" not in (tmp_path / "x.html").read_text(encoding="utf-8")
