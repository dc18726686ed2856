"""Flows leave the process-wide march as they found it."""

from collections.abc import Iterator

import pytest
import torch

from horizon_plugin_pytorch._runtime import march as state


@pytest.fixture(autouse=True)
def _restore_march() -> Iterator[None]:
    before = state.get_march()
    torch.manual_seed(0)
    yield
    state._Process.march = before
