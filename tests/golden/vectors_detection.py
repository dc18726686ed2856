"""E23 of the golden vectors: which integers pass a threshold."""

from golden_support import MARCHES, Build, f32

from horizon_plugin_pytorch.dtype import DTYPES

from .entries import OF, entry, golden

E23 = "E23 filter threshold s=0.05"


@golden(*MARCHES)
def e23_threshold(b: Build, march: str) -> None:
    k = b.kernels(march)
    named = {"bernoulli2": "bernoulli"}.get(march, OF[march])  # the entry names one of the two that compare alike
    for threshold in ("0.5", "0.52"):
        compare, bound = entry(E23, threshold)[named].split()
        p = k.derive_threshold(f32(float(threshold)), f32(0.05), input=DTYPES["qint8"])
        assert p.bound.item() == int(bound)
        around = [int(bound) - 1, int(bound), int(bound) + 1]
        kept = [x >= int(bound) if compare == ">=" else x > int(bound) for x in around]
        assert k.threshold(f32(*around).int(), p).tolist() == kept
