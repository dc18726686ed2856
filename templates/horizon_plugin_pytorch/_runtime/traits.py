# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/traits.py
"""What a march can do that no kernel's formula shows.

In: nothing; this is a definition. Out: the type of `horizon_plugin_pytorch._marches.TRAITS`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traits:
    """One march.

    Attributes:
        aligned_corners: a resize can align the corners of input and output.
        fractional_nearest: a nearest resize can have another factor than a whole one.
        float_boxes: boxes of regions may be float32; integer boxes always may.
        aligned_regions: regions can be moved by half an element.
        mixed_scales: the levels of a pyramid may have scales of their own.
        reverse_fold: in QAT, a kept normalization may be divided out of the folded weight's product.
    """

    aligned_corners: bool
    fractional_nearest: bool
    float_boxes: bool
    aligned_regions: bool
    mixed_scales: bool
    reverse_fold: bool
