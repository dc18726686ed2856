"""A new function of one variable is one spec: modules, tables, tests and docs follow from it."""

from pathlib import Path

from trees import cli, process

SPEC = """\
schema: op/1
id: mish
family: unary
title: torch.nn.Mish
doc: x times the hyperbolic tangent of its softplus.
float: {modules: [torch.nn.Mish], functions: [torch.nn.functional.mish], constructor: [inplace]}
python: {class: Mish}
table: {divide: curvature}
like: sigmoid
steps: {bayes: {qint16: 100}}
cases:
  - {inputs: [[2, 3, 4, 5]]}
"""


def test_one_spec_adds_a_function_of_one_variable(checkout: Path) -> None:
    assert len(SPEC.splitlines()) <= 15
    (checkout / "specs/ops/lut/mish.yaml").write_text(SPEC)
    built = cli(checkout, "build")
    assert built.status == 0, built.err
    home = checkout / "generated"
    tests = [f"generated/tests/test_ops_{march}.py" for march in ("bernoulli2", "bayes")]
    done = process(
        ["-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", ".", "-p", "no:cacheprovider", "-k", "mish", *tests],
        checkout,
        environment={"PYTHONPATH": f"{home}:{home / 'tests'}"},
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "6 passed" in done.stdout, done.stdout[-500:]
