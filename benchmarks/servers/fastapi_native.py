"""FastAPI with pandas and the three libraries: what is written first."""

import os

import uvicorn
from fastapi import FastAPI
from native import Native
from pydantic import BaseModel

model = Native(os.environ["NATIVE"])
app = FastAPI()


class Request(BaseModel):
    """Rows by the columns' names."""

    instances: list[dict[str, float | str]]


@app.post("/predict")
def predict(request: Request) -> dict[str, list[float]]:
    """Answer rows."""
    return model.answer(request.instances)


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), access_log=False)
