"""Tables in formulas: entries by index, places by search, and the sum that is rounded once."""

import torch
from test_formula import Lowered, kernel

SQUARES = [n * n % 120 for n in range(256)]
LIMITS = [-100, -3, 0, 0, 90]


def test_an_entry_is_read_by_its_index() -> None:
    lowered = Lowered(
        kernel(
            compute={"y": "lookup(t, x + 128)"}, tensors={"x": "qint8"}, tables={"t": ("qint8", 256)}, result="qint8"
        )
    )
    x = torch.tensor([[-128, 0], [1, 127]], dtype=torch.int8)
    assert lowered.torch(x=x, t=torch.tensor(SQUARES))[1].tolist() == [
        [SQUARES[0], SQUARES[128]],
        [SQUARES[129], SQUARES[255]],
    ]
    assert lowered.python(x=-1, t=SQUARES)[1] == SQUARES[127]


def test_search_finds_the_first_entry_that_is_not_less() -> None:
    lowered = Lowered(
        kernel(compute={"y": "search(t, x)"}, tensors={"x": "qint8"}, tables={"t": ("qint8", 5)}, result="qint8")
    )
    expected = {-128: 0, -100: 0, -99: 1, -3: 1, -2: 2, 0: 2, 1: 4, 90: 4, 127: 4}
    found = lowered.torch(x=torch.tensor([list(expected)]).expand(2, -1).T, t=torch.tensor(LIMITS))[1]
    assert found.T.tolist() == [list(expected.values())] * 2
    assert [lowered.python(x=x, t=LIMITS)[1] for x in expected] == list(expected.values())


def test_fma_rounds_once() -> None:
    lowered = Lowered(
        kernel(compute={"y": "fma(a, b, c)"}, tensors={"a": "real", "b": "real", "c": "real"}, result="real")
    )
    a, b, c = 1 + 2**-12, 1 + 2**-12, -1 - 2**-11
    values = {name: torch.tensor([value]) for name, value in (("a", a), ("b", b), ("c", c))}
    assert lowered.torch(**values)[1].tolist() == [2**-24]
    assert lowered.python(a=a, b=b, c=c)[1] == 2**-24
    assert (values["a"] * values["b"] + values["c"]).tolist() == [0.0]
