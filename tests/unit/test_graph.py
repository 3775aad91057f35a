import os
import subprocess
import sys
from pathlib import Path


def test_onnx_runtime_reports_to_nobody(tmp_path: Path) -> None:
    """Where telemetry is on, ONNX Runtime warns when it cannot keep its device's identity."""
    environment = {
        "HOME": "/proc/nowhere",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path.cwd()),
    }

    def load(*modules: str) -> str:
        code = f"import {', '.join(modules)}; import onnxruntime as o; o.SessionOptions()"
        command = [sys.executable, "-c", code]
        result = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return result.stderr

    assert "telemetry" in load("onnxruntime")
    assert "telemetry" not in load("predictor.graph")
