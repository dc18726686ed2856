"""What the tools call conspicuous, written by hand: a wrong number in specs/tools.yaml must disagree with a line here."""

from horizon_plugin_pytorch._runtime.profiler.policy import Limits, Metric
from horizon_plugin_pytorch._tools import TOOLS


def test_limits() -> None:
    assert TOOLS.limits == Limits(
        idle_range=4, clipped=0.01, op_sqnr=15, mean_error=0.2, weight_sqnr=20, tiny_scale=2.0**-30, scales_apart=256
    )


def test_metrics() -> None:
    assert TOOLS.metrics == {
        "Cosine": Metric("cosine", True, 0.99),
        "MSE": Metric("mean_squared_error", False, 0.01),
        "L1": Metric("mean_absolute_error", False, 0.1),
        "KL": Metric("divergence", False, 0.01),
        "SQNR": Metric("signal_to_noise", True, 20),
    }


def test_files_and_folders() -> None:
    assert TOOLS.folder == "horizon_quant_debug"
    assert TOOLS.pages == {
        "similarity": "similarity.html",
        "statistics": "statistic.html",
        "profile": "profiler.html",
        "memory": "mem_info.html",
    }
    assert TOOLS.files == {"script_values": "horizon_script_result.pt"}
    assert TOOLS.tables["deploy_device"].file == "deploy_device.txt"
