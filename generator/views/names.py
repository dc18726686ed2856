"""How ids become Python names and sentences: the one place where strings are built from ids."""


def camel(name: str) -> str:
    """`some_kernel` -> `SomeKernel`."""
    return "".join(part.capitalize() for part in name.replace("-", "_").split("_"))


def module_name(march: str) -> str:
    """`some-id` -> `some_id`: a module name."""
    return march.replace("-", "_")


def constant_name(march: str) -> str:
    """`some-id` -> `SOME_ID`: a constant."""
    return module_name(march).upper()


def sentence(text: str) -> str:
    """The text with exactly one full stop."""
    return text.strip().rstrip(".") + "."
