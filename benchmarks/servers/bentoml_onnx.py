"""A service of BentoML with the same graph."""

import os

import bentoml
from graph import Graph


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Energy:
    """The graph of a bundle."""

    def __init__(self) -> None:
        self._graph = Graph(os.environ["BUNDLE"])

    @bentoml.api
    async def predict(self, instances: list[dict]) -> dict:
        """Answer rows; async, so that a call this short takes no thread of a pool."""
        return self._graph.answer(instances)
