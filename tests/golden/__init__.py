"""Facts that no spec generated: what the kernels of every march must give, from the golden vectors and from numerics.md."""

import pytest

pytest.register_assert_rewrite("golden.vectors", "golden.facts")
