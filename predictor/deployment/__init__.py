"""The chart + values → a release on Kubernetes that answers, or what its pods said."""

from predictor.deployment.release import deploy, status
from predictor.deployment.summary import Status

__all__ = ["Status", "deploy", "status"]
