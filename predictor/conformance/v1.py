"""The rules of KServe's V1 protocol."""

from predictor.conformance.case import case, refusal
from predictor.conformance.client import Request
from predictor.conformance.expected import (
    ModelReady,
    Models,
    Predictions,
    Skipped,
    decoded,
    expect,
    refused,
)
from predictor.conformance.subject import Subject, posted, raw
from predictor.conformance.values import same

TABLE = "KServe, V1 Protocol, API Endpoints"
FORMAT = "KServe, V1 Protocol, Payload Format"
TENSORFLOW = "TensorFlow Serving, RESTful API"
PREDICT = "TensorFlow Serving, RESTful API, Predict API"
UNKNOWN = "conformance-unknown"


@case("v1.models", "MUST", TABLE)
def models(subject: Subject) -> None:
    """`GET /v1/models` lists the models: `{"models": [<model_name>]}`."""
    answer = subject.get("/v1/models")
    found = decoded(answer, Models).models
    expect(subject.model in found, answer, f'the model "{subject.model}" among them')


@case("v1.model", "MUST", TABLE)
def model(subject: Subject) -> None:
    """`GET /v1/models/<model_name>` says that a model is ready: `{"name", "ready": $bool}`."""
    answer = subject.get(subject.v1_path())
    found = decoded(answer, ModelReady)
    expect(found == ModelReady(subject.model, ready=True), answer, "that the model is ready")


@case("v1.model.unknown", "MUST", TENSORFLOW)
def unknown_model(subject: Subject) -> None:
    """In case of error, all APIs return a JSON object with `error` as key: so of no model."""
    refused(subject.get(subject.v1_path(UNKNOWN)))


@case("v1.model.unknown.status", "SHOULD", TENSORFLOW)
def unknown_model_status(subject: Subject) -> None:
    """A request that names no servable model gets 404, as in the page's example."""
    answer = subject.get(subject.v1_path(UNKNOWN))
    expect(answer.status == 404, answer, "status 404")


@case("v1.predict", "MUST", PREDICT)
def predict(subject: Subject) -> None:
    """The predict request takes rows as `instances`, and returns a JSON object."""
    decoded(subject.send(subject.predict()), dict[str, object])


@case("v1.predict.predictions", "SHOULD", FORMAT)
def predictions(subject: Subject) -> None:
    """The response is `{"predictions": []}`: not enforced, but encouraged for consistency."""
    decoded(subject.send(subject.predict()), Predictions)


@case("v1.predict.count", "SHOULD", PREDICT)
def count(subject: Subject) -> None:
    """In the row format all tensors have the same first dimension: a prediction an instance."""
    _ = subject.predictions
    answer = subject.send(subject.predict())
    found, rows = decoded(answer, Predictions).predictions, len(subject.instances)
    expect(len(found) == rows, answer, f"{rows} predictions, not {len(found)}")


@case("v1.predict.inputs", "MUST", FORMAT)
def inputs(subject: Subject) -> None:
    """`instances` and `inputs` are accepted as root key; both are equivalent and supported."""
    answer = subject.send(posted(f"{subject.v1_path()}:predict", {"inputs": subject.instances}))
    expected = subject.predictions
    found = decoded(answer, Predictions).predictions
    expect(same(found, expected), answer, "the predictions that `instances` gets")


@case("v1.predict.signature-name", "MUST", PREDICT)
def signature_name(subject: Subject) -> None:
    """A request may have a `signature_name` beside its instances."""
    expected = subject.predictions
    answer = subject.send(subject.predict(signature_name="serving_default"))
    found = decoded(answer, Predictions).predictions
    expect(same(found, expected), answer, "the predictions that come without it")


@case("v1.predict.as-v2", "SHOULD", "both protocols: one model stands behind them")
def as_v2(subject: Subject) -> None:
    """The same rows get the same numbers over V1 and, as one of the outputs, over V2."""
    expected, _ = subject.predictions, subject.inputs
    if not all(type(value) is float for value in expected):
        message = "the predictions are no decimal numbers"
        raise Skipped(message)
    answer = subject.send(subject.infer())
    outputs = [output.data or [] for output in subject.outputs]
    expect(any(same(data, expected) for data in outputs), answer, f"an output of {expected}")


@refusal("v1.predict.unknown-model", "MUST", TENSORFLOW)
def predict_unknown_model(subject: Subject) -> Request:
    """In case of error, all APIs return a JSON object with `error`: so for a model unknown."""
    return posted(f"{subject.v1_path(UNKNOWN)}:predict", {"instances": subject.instances})


@refusal("v1.predict.not-json", "MUST", TENSORFLOW)
def not_json(subject: Subject) -> Request:
    """An incorrect request body returns an HTTP error status: so what is not JSON."""
    return raw(f"{subject.v1_path()}:predict", b'{"instances": [')


@refusal("v1.predict.array", "MUST", PREDICT)
def array(subject: Subject) -> Request:
    """The request body must be a JSON object: an array is none."""
    return posted(f"{subject.v1_path()}:predict", subject.instances)


@refusal("v1.predict.no-rows", "SHOULD", PREDICT)
def no_rows(subject: Subject) -> Request:
    """The object has `instances` or `inputs`; KServe's pages call the payload optional."""
    return posted(f"{subject.v1_path()}:predict", {})


@refusal("v1.predict.both-keys", "SHOULD", PREDICT)
def both_keys(subject: Subject) -> Request:
    """A request can have either `instances` or `inputs`, but not both."""
    return subject.predict(inputs=subject.instances)


@refusal("v1.predict.null-row", "SHOULD", PREDICT)
def null_row(subject: Subject) -> Request:
    """A row is a value, a list or an object: null is none of them."""
    return posted(f"{subject.v1_path()}:predict", {"instances": [None]})


@case("v1.explain", "MUST", TENSORFLOW)
def explain(subject: Subject) -> None:
    """The explain API is optional; where it is not, in case of error, is `{"error": string}`."""
    answer = subject.send(posted(f"{subject.v1_path()}:explain", {}))
    if answer.status != 200:
        refused(answer)
