"""The facts of facts.yaml as goldens, and its restated numbers.

In: facts.yaml, written by hand from numerics.md. Out: `GOLDENS`, one a fact and march: a kernel fed with plain values must
derive the integers and give the results that are written down. `RESTATED` holds what no input can show.
"""

import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import yaml
from golden_support import COMMON, GOLDEN, Build, Golden, current_march, f32, plain, run

from horizon_plugin_pytorch.dtype import DTYPES
from horizon_plugin_pytorch.qtensor import QTensor

DOCUMENT: dict[str, Any] = yaml.safe_load((GOLDEN / "facts.yaml").read_text("utf-8"))
NOT_ARGUMENTS = frozenset({"fact", "source", "kernel", "march", "params", "result", "mode", "form"})
POWER = re.compile(r"(-?)2\^(-?\d+)")


@dataclass(frozen=True, slots=True)
class Restated:
    """A number or choice of the specs that no behaviour shows, and why."""

    value: int | float | str
    why: str


def _value(written: Any) -> Any:
    """A value as arguments take it: "2^-5" is a power of two."""
    if isinstance(written, list):
        return [_value(item) for item in written]
    power = POWER.fullmatch(written) if isinstance(written, str) else None
    return written if power is None else float(f"{power[1]}1") * 2.0 ** int(power[2])


def _goldens() -> tuple[Golden, ...]:
    """One golden a fact and march."""
    found = []
    for fact in DOCUMENT["facts"]:
        what, check = next(
            (k, c)
            for k, c in (("mode", _check_mode), ("function", _check_function), ("kernel", _check_kernel))
            if k in fact
        )
        for march in fact.get("march", (COMMON,)):
            name = f"fact {fact[what]}{f' on {march}' if march else ''}: {fact['fact']}"
            found.append(Golden(name, march, partial(check, fact, march)))
    return tuple(found)


def _arguments(fact: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in fact.items() if name not in NOT_ARGUMENTS}


def _check_kernel(fact: dict[str, Any], march: str, build: Build) -> None:
    params, result = run(build.kernels(march), fact["kernel"], **_arguments(fact))
    expected = fact.get("params", {})
    assert {name: params[name] for name in expected} == expected
    assert "result" not in fact or result == _value(fact["result"])


def _check_mode(fact: dict[str, Any], march: str, build: Build) -> None:
    assert run(build.mode(fact["mode"]), fact["form"], **_arguments(fact))[1] == fact["result"]


def _check_function(fact: dict[str, Any], march: str, build: Build) -> None:
    """A colour function on an image whose pixels are rows; with a march, on the integers of a converted model."""
    pixels = torch.tensor(fact["image"]).T.reshape(1, len(fact["image"][0]), -1, 1)
    image = QTensor(pixels.to(torch.int8), f32(1.0), DTYPES["qint8"]) if march else pixels
    with current_march(march) if march else nullcontext():
        out = getattr(build.functional, fact["function"])(image)
    out = out.int_repr() if march else out
    assert plain(out.flatten(2)[0].T) == fact["result"]


def _check_preset(name: str, expected: dict[str, Any], build: Build) -> None:
    preset = getattr(build.presets, name)
    assert preset.stage == expected["stage"]
    for part in ("activation", "weight"):
        make, facts = getattr(preset, part), expected[part]
        assert (make is None) is (facts is None)
        if make is not None and facts is not None:
            assert _facts_of(make, facts) == facts


def _check_quantizer(name: str, expected: dict[str, Any], build: Build) -> None:
    assert _facts_of(getattr(build.presets, name), expected) == expected


def _facts_of(make: Callable[..., Any], facts: dict[str, Any]) -> dict[str, Any]:
    """What a factory of fake quantizers makes, in the words of the facts."""
    with current_march("bayes"):
        fake_quant = make(channel_len=2)
    observer = fake_quant.activation_post_process
    found = {
        "class": type(fake_quant).__name__,
        "dtype": str(fake_quant.dtype),
        "observer": type(observer).__name__,
        "averaging_constant": observer.averaging_constant,
        "ch_axis": fake_quant.ch_axis,
    }
    return found | ({"use_grad_scaling": fake_quant.use_grad_scaling} if "use_grad_scaling" in facts else {})


def _presets() -> tuple[Golden, ...]:
    """One golden a preset, and one a quantizer with a public name."""
    checks = (("presets", _check_preset), ("quantizers", _check_quantizer))
    return tuple(
        Golden(f"{section} {name}", COMMON, partial(check, name, expected))
        for section, check in checks
        for name, expected in DOCUMENT[section].items()
    )


GOLDENS = (*_goldens(), *_presets())
RESTATED = {
    leaf: Restated(value, group["why"]) for group in DOCUMENT["restated"] for leaf, value in group["leaves"].items()
}
