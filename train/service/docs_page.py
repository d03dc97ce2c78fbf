"""`GET /docs`: the interface on one page that loads nothing from elsewhere, unlike FastAPI's own."""

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from callproof.console.html import page

from .request.flat import FlatConfig

HEADERS = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}


def docs_page(app: FastAPI) -> str:
    """The HTML of the page, from the OpenAPI description of the routes that the application has."""
    operations = [
        {"method": method.upper(), "path": path, "summary": one["description"], "codes": _codes(one)}
        for path, methods in app.openapi()["paths"].items()
        for method, one in methods.items()
    ]
    settings = [
        {"name": name, "default": json.dumps(field.default), "meaning": field.description or ""}
        for name, field in FlatConfig.model_fields.items()
    ]
    data = {"operations": operations, "settings": settings}
    return page(Path(__file__).with_name("assets"), "callproof train service", data, [], ["docs.js"])


def _codes(operation: dict[str, Any]) -> list[str]:
    return sorted(code for code in operation["responses"] if code.isdigit())
