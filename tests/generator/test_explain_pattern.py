"""`explain --pattern`: a pattern, or a chain of operators that fuses or does not."""

from pathlib import Path

import pytest

from generator.cli.commands import run

ROOT = Path(__file__).parent.parent.parent


def _explained(name: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = run(["--root", str(ROOT), "explain", "--pattern", name])
    return status, capsys.readouterr().out


def test_a_pattern_shows_its_place_its_steps_and_what_goes_first(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = _explained("conv2d_norm", capsys)
    assert status == 0
    assert "pattern conv2d_norm, specs/patterns/weighted.yaml:13:5: base -> norm\n" in text
    assert "  goes first where it matches: " in text
    assert "conv2d_norm_add_relu" in text
    assert "  becomes: the base with the norm folded into its weight, under its own name\n" in text


@pytest.mark.parametrize(
    ("chain", "told"),
    [
        ("conv2d batch_norm2d relu", "conv2d -> batch_norm2d -> relu fuses by pattern conv2d_norm_relu, "),
        ("conv2d -> relu -> add", "  add stays on its own: behind relu patterns go on with nothing\n"),
        ("conv2d, max_pool2d", "  no pattern goes on with max_pool2d behind conv2d; they go on with batch_norm1d, "),
        ("max_pool2d relu", "  no pattern starts with max_pool2d; they start with conv2d, "),
    ],
)
def test_a_chain_fuses_or_says_why_not(chain: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = _explained(chain, capsys)
    assert status == 0
    assert told in text


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("conv2d_nrm", "no pattern 'conv2d_nrm'. did you mean 'conv2d_norm'?"),
        ("conv2d rely", "no operator 'rely'. did you mean 'relu'?"),
    ],
)
def test_an_unknown_name_gets_a_suggestion(name: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _explained(name, capsys) == (1, f"{told}\n")
