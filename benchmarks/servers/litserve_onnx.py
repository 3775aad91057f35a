"""LitServe with the same graph."""

import os

import litserve
from graph import Graph


class Energy(litserve.LitAPI):
    """The graph of a bundle."""

    def setup(self, _device):
        """Load the graph."""
        self._graph = Graph(os.environ["BUNDLE"])

    def predict(self, request):
        """Answer rows."""
        return self._graph.answer(request["instances"])


if __name__ == "__main__":
    server = litserve.LitServer(Energy(), accelerator="cpu")
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )
