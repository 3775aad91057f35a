"""KServe's SDK with pandas and the three libraries."""

import os

import kserve_server
from kserve import Model
from native import Native


class Energy(Model):
    """The stack by V1."""

    def __init__(self, native):
        super().__init__(native.name)
        self._native = native
        self.ready = True

    def predict(self, payload, _headers=None):
        """Answer a V1 request."""
        return self._native.answer(payload["instances"])


if __name__ == "__main__":
    kserve_server.serve(Energy(Native(os.environ["NATIVE"])))
