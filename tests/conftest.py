"""Every test starts from one thread and one seed, and leaves the process-wide march as it found it."""

from collections.abc import Iterator

import pytest
import torch

from horizon_plugin_pytorch._runtime import march as state

torch.set_num_threads(1)  # the suite may run one process a core


@pytest.fixture(autouse=True)
def _same_start() -> Iterator[None]:
    before = state.get_march()
    torch.manual_seed(0)
    yield
    state._Process.march = before
