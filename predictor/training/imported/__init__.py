"""Models that other teams trained: each becomes a bundle, if its graph answers as it does."""

from predictor.training.imported.making import bundle_of

__all__ = ["bundle_of"]
