"""What must hold inside specs/tools.yaml: every name that it uses is defined.

In: the Catalog. Out: diagnostics.
"""

from collections.abc import Iterator

from generator.diag import Diagnostic, did_you_mean
from generator.link import Catalog


def check_tools(catalog: Catalog) -> Iterator[Diagnostic]:
    """Default metrics are metrics, dtypes are dtypes."""
    tools = catalog.tools
    for field in ("default_metric", "sensitivity_metric"):
        name, known = getattr(tools.spec, field), tools.spec.metrics
        if name not in known:
            yield Diagnostic("C061", f"unknown metric {name!r}", tools.span(field), hint=did_you_mean(name, known))
    dtypes = catalog.dtypes.spec.dtypes
    for index, name in enumerate(tools.spec.expected_weight_dtypes):
        if name not in dtypes:
            span = tools.span("expected_weight_dtypes", index)
            yield Diagnostic("C062", f"unknown dtype {name!r}", span, hint=did_you_mean(name, dtypes))
