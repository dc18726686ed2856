"""How ids become Python names and sentences: the one place where strings are built from ids."""

from generator.proven import COMMON
from generator.schema import Kernel


def camel(name: str) -> str:
    """`some_kernel` -> `SomeKernel`."""
    return "".join(part.capitalize() for part in name.replace("-", "_").split("_"))


def module_name(march: str) -> str:
    """`some-id` -> `some_id`: a module name."""
    return march.replace("-", "_")


def constant_name(march: str) -> str:
    """`some-id` -> `SOME_ID`: a constant."""
    return module_name(march).upper()


def module_path(march: str | None) -> str:
    """The file name of a march's kernels, or of those of no march, without suffix."""
    return module_name(march) if march else COMMON


def label_of(kernel: Kernel) -> str:
    """What a compiled kernel of this spec is called."""
    return f"{kernel.id}/{kernel.variant}" if kernel.variant else kernel.id


def sentence(text: str) -> str:
    """The text with exactly one full stop."""
    return text.strip().rstrip(".") + "."
