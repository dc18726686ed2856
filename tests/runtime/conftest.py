"""Every test leaves the process-wide march as it found it."""

from collections.abc import Iterator

import pytest

from horizon_plugin_pytorch._runtime import march as state


@pytest.fixture(autouse=True)
def _restore_march() -> Iterator[None]:
    before = state.get_march()
    yield
    state._Process.march = before
