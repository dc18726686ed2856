"""What every model of a spec is built on: names, sentences and formulas, and a base that accepts nothing unknown.

In: nothing. Out: the field types of `schema`, and the words in which their patterns are told to a user.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*([-_][a-z0-9]+)*$", max_length=64)]
DottedName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$", max_length=128)]
PythonName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
Sentence = Annotated[str, Field(min_length=1, max_length=2000)]
Formula = Annotated[str, Field(min_length=1, max_length=500)]
Number = int | float

LEGAL_NAMES = {
    r"^[a-z][a-z0-9]*([-_][a-z0-9]+)*$": "lower-case letters and digits, with single - or _ between them",
    r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$": "names of letters, digits and _, with dots between them",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "letters, digits and _, no digit first",
    r"^\w*\{tail\}\w*$": "a class name with {tail} in it once",
}
"""What a pattern asks for, in words."""


class Spec(BaseModel):
    """Base of every model: nothing unknown, nothing changed after reading, nothing coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
