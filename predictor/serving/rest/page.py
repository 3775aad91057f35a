"""The page that shows the plain API, with all that it loads: it needs no other host."""

import mimetypes
from collections.abc import Mapping

from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.staticfiles import StaticFiles

PAGE = "/docs"
SCRIPT, STYLE, ICON = "swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"
# A browser asks again after a day, and gets the files only if they are others by then.
CACHE = "public, max-age=86400"

mimetypes.add_type("text/javascript", ".js")  # RFC 9239; Python 3.11 has the name before it


def add_page(app: FastAPI) -> None:
    """Add the page and its files, each a route of its own: no path can lead to another file."""
    files = StaticFiles(packages=[("fastapi_offline", "static")])

    # What the page names is relative to it, for those who reach it through a proxy's path.
    page = get_swagger_ui_html(
        title=app.title,
        openapi_url="openapi.json",
        swagger_js_url=f"docs/{SCRIPT}",
        swagger_css_url=f"docs/{STYLE}",
        swagger_favicon_url=f"docs/{ICON}",
        swagger_ui_parameters={"validatorUrl": None},  # or it may ask one on the internet
    )

    @app.get(PAGE, include_in_schema=False)
    async def show() -> Response:
        return page

    for name in (SCRIPT, STYLE, ICON):
        add_file(app, f"{PAGE}/{name}", files, name, {"Cache-Control": CACHE})


def add_file(
    app: FastAPI, path: str, files: StaticFiles, name: str, headers: Mapping[str, str]
) -> None:
    """Add the route of one file, which is sent with some headers of its own."""

    @app.get(path, include_in_schema=False)
    async def send(request: Request) -> Response:
        response = await files.get_response(name, request.scope)
        response.headers.update(headers)
        return response
