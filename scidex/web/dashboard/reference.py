"""The API's reference for people: what the description at /openapi.json says, as a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Description = Mapping[str, Any]


class Field(NamedTuple):
    """One thing that a request may carry."""

    name: str
    place: str
    kind: str
    is_required: bool


class Operation(NamedTuple):
    """One verb at one address."""

    method: str
    path: str
    name: str
    description: str
    fields: list[Field]


def operations_by_tag(description: Description) -> dict[str, list[Operation]]:
    """Return the operations of an OpenAPI description under the tags that group them, in its order."""
    tags: dict[str, list[Operation]] = {}
    for path, methods in description["paths"].items():
        for method, told in methods.items():
            operation = Operation(
                method.upper(), path, told["operationId"], told.get("description", ""), _fields(told, description)
            )
            tags.setdefault(told["tags"][0], []).append(operation)
    return tags


def _fields(operation: Mapping[str, Any], description: Description) -> list[Field]:
    carried = [
        Field(one["name"], one["in"], _kind(one["schema"]), one["required"]) for one in operation.get("parameters", [])
    ]
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return carried + (_body_fields(schema, description) if schema else [])


def _body_fields(schema: Mapping[str, Any], description: Description) -> list[Field]:
    """Return the fields of a body; of one that may be an object or a list of such, those of the object."""
    while "$ref" not in schema:
        schema = next(iter(schema.get("oneOf") or schema["anyOf"]))
    model = description["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    needed = model.get("required", [])
    return [Field(name, "body", _kind(one), name in needed) for name, one in model.get("properties", {}).items()]


def _kind(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return str(schema.get("format") or schema.get("type", "any"))
