"""What `new` writes passes every check as it is, and nothing is written where it would not."""

from pathlib import Path

import pytest
from trees import cli, contents

from generator.views.names import camel


def test_an_operator_and_a_pattern_of_it_are_complete_as_created(checkout: Path) -> None:
    assert (
        cli(
            checkout,
            "new",
            "op",
            "hard_tanh",
            "--like",
            "relu6",
            "--module",
            "torch.nn.Hardtanh",
            "--function",
            "torch.nn.functional.hardtanh",
        ).status
        == 0
    )
    told = cli(
        checkout, "new", "pattern", "bounded", "--base", "conv2d", "--base", "linear", "--activation", "hard_tanh"
    )
    assert told.status == 0, told.out
    told = cli(checkout, "build")
    assert told.status == 0, told.out
    told = cli(checkout, "check", "--full")
    assert told.status == 0, told.out
    tables = (checkout / "generated/horizon_plugin_pytorch/_tables.py").read_text()
    assert 'id="conv2d_norm_add_hard_tanh"' in tables
    assert "ConvHardTanh2d" in tables


LIKE = {
    "max_pool2d": ("--module", "torch.nn.FractionalMaxPool2d"),
    "conv2d": ("--module", "torch.nn.LazyConv2d"),
    "add": ("--function", "torch.logaddexp"),
    "flatten": ("--function", "torch.ravel"),
    "relu": ("--module", "torch.nn.Softshrink", "--function", "torch.nn.functional.softshrink"),
}


def test_operators_like_many_others_are_complete_as_created(checkout: Path) -> None:
    for like, form in LIKE.items():
        told = cli(checkout, "new", "op", f"my_{like}", "--like", like, *form)
        assert told.status == 0, told.out
    assert cli(checkout, "build").status == 0
    told = cli(checkout, "check", "--full")
    assert told.status == 0, told.out
    assert (
        f"class {camel('my_conv2d')}("
        in (checkout / "generated/horizon_plugin_pytorch/nn/qat/my_conv2d.py").read_text()
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("op", "../x", "--like", "relu", "--module", "torch.nn.Tanhshrink"), "'../x' is not a legal id"),
        (("op", "relu", "--like", "relu6", "--module", "torch.nn.Tanhshrink"), "operator 'relu' exists already"),
        (("op", "x", "--like", "reul", "--module", "torch.nn.Tanhshrink"), "did you mean 'relu'?"),
        (("op", "x", "--like", "relu"), "needs --like OP, and --module"),
        (
            ("op", "x", "--like", "relu", "--module", "torch.nn.Tanhshrink"),
            "an operator like relu needs --function, too",
        ),
        (("op", "x", "--like", "relu", "--module", "torch.nn.ReLU"), "torch.nn.ReLU is operator 'relu' already"),
        (
            ("pattern", "x", "--base", "conv2d", "--activation", "relu"),
            "-> relu is matched by pattern conv2d_norm_add_relu",
        ),
        (("pattern", "x", "--base", "conv2d"), "needs --base OP and --activation OP"),
        (("pattern", "x", "--base", "conv2", "--activation", "relu"), "no operator 'conv2'"),
        (
            ("pattern", "weighted", "--base", "conv2d", "--activation", "relu"),
            "pattern family 'weighted' exists already",
        ),
        (("march", "x", "--extends", "bayez"), "did you mean 'bayes'?"),
    ],
)
def test_nothing_is_written_where_it_would_be_wrong(checkout: Path, arguments: tuple[str, ...], message: str) -> None:
    before = contents(checkout)
    told = cli(checkout, "new", *arguments)
    assert (told.status, message in told.out) == (1, True), told.out
    assert contents(checkout) == before
