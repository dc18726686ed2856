"""What specs/onnx.yaml may say: the operators that standard ONNX cannot express, and why.

In: plain data, as for `schema`. Out: a typed `Onnx`.
"""

from typing import Literal

from pydantic import Field

from generator.schema_base import Identifier, Sentence, Spec


class OnnxGap(Spec):
    """An operator that a kind of file cannot hold."""

    because: Identifier = Field(description="The name of a reason.")
    only: str = Field(default="", description="With which settings; left out: always.")


class Onnx(Spec):
    """specs/onnx.yaml: what is missing in the two kinds of ONNX files; tests measure it. Operators that it does not name are there."""

    schema_: Literal["onnx/1"] = Field(alias="schema")
    doc: Sentence
    reasons: dict[Identifier, Sentence] = Field(description="Why ONNX cannot express an operator.")
    integers: dict[Identifier, OnnxGap] = Field(description="Operators of converted models, as integer operators.")
    qdq: dict[Identifier, OnnxGap] = Field(
        description="Operators of QAT models, with QuantizeLinear and DequantizeLinear."
    )
