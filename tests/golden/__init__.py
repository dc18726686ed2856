"""Facts that no spec generated: what the kernels of every march must give, from the golden vectors and from numerics.md."""

import pytest

for _name in ("vectors_requantize", "vectors_arithmetic", "vectors_weighted", "facts"):
    pytest.register_assert_rewrite(f"{__name__}.{_name}")
