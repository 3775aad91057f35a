"""The errors that a person can act on; each message is one sentence fit to be shown."""

import msgspec

# What decoding raises when bytes are not the JSON that was asked for.
JSON_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class PredictorError(Exception):
    """Stop with a sentence that says what is wrong and what to do."""


class DataError(PredictorError):
    """A data file does not hold what training needs."""


class ParityError(PredictorError):
    """A fused graph and the native models disagree."""


class BundleError(PredictorError):
    """A bundle is missing, damaged, or does not predict what it promises."""


class MissingBundleError(BundleError):
    """There is no bundle where one is looked for."""


class UnreadableBundleError(BundleError):
    """A bundle's file cannot be read, just now or at all."""


class UnsignedBundleError(BundleError):
    """A bundle does not have the signature that is required."""


class SettingsError(PredictorError):
    """A setting has a value that cannot be used."""


class ScoringError(PredictorError):
    """A file of rows cannot be read, scored or written; what is done of it is kept."""


class StrictError(ScoringError):
    """A row was refused where none may be."""


class TrackingError(PredictorError):
    """A tracking server did not take what was logged to it."""


class RefusedError(PredictorError):
    """A bundle that was trained anew is worse than the one that is served."""


class ExperimentError(PredictorError):
    """An experiment's manifest, or the model it names, cannot be made a service."""


class ServerError(PredictorError):
    """A server did not answer as its bundle says it should."""


class DeploymentError(PredictorError):
    """A release cannot be installed or looked at, or its pods do not come up."""


class UnreachableClusterError(DeploymentError):
    """The cluster's API server does not answer, just now or at all."""


class InvalidInput(PredictorError):  # noqa: N818 - it is the client's input that is at fault
    """A client sent something that the contract does not allow.

    `column` is the contract's column, or a client's own word for one, in which it stands, if any.
    """

    def __init__(self, message: str, column: str = "") -> None:
        super().__init__(message)
        self.column = column


def let_go(error: Exception) -> None:
    """Let go of where an error came from, which holds its request: it may lead back to the error.

    Else the request would be held until the garbage collector looks, by then with many others.
    """
    error.__traceback__ = error.__context__ = error.__cause__ = None
