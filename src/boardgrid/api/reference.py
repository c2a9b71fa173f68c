"""
The API's reference, written from its OpenAPI document.

    python -m boardgrid.api.reference > docs/reference/api.md
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from boardgrid.api.app import create
from boardgrid.api.spool import Spool
from boardgrid.services.farm import Farm

Json = Mapping[str, Any]

_HEAD = """\
# The API

<!-- Written by `python -m boardgrid.api.reference` from the OpenAPI document: change the code, then run that. -->

Everything that the command line does goes through here. The OpenAPI document itself is at `/api/v1/openapi.json`.

* Send a token with each request: `Authorization: Bearer bg_<id>_<secret>`. Tokens of people open `/api/v1`; those of
  agents and gateways open their own door and no other.
* A token of the scope `read` looks at all that its user may see and changes nothing; one of `use` also reserves, uses
  and gives back boards, images, roots and volumes, as a user does; one of `all` may do whatever its user may.
* Bodies are JSON with `Content-Type: application/json`, but for the content of an image, which is the archive itself. A
  field that is not known is refused.
* Times are RFC 3339 in UTC. Durations are in seconds, sizes in bytes; the unit is in the name.
* What is refused or fails answers `application/problem+json` with a code: see [errors](errors.md).
* The API only grows: fields and routes are added, never changed or removed. Clients pass over what they do not know.

```sh
curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8470/api/v1/boards
curl -H "Authorization: Bearer $TOKEN" -H "Accept: text/event-stream" "http://127.0.0.1:8470/api/v1/events?after=0"
```
"""

_SHOWN = (
    "account", "people", "notices", "audit", "shelf", "images", "volumes", "reservations", "blocks", "rules", "events",
    "health", "agent door", "gateway door",
)  # fmt: skip


def reference() -> str:
    """The reference as Markdown."""
    document = create(cast(Farm, None), Spool(Path())).openapi()  # no route is asked, so no farm is needed
    return "\n".join([_HEAD, *_routes(document), "## What is sent and answered\n", *_schemas(document)]).rstrip() + "\n"


def _routes(document: Json) -> Iterator[str]:
    by_tag: dict[str, list[str]] = {tag: [] for tag in _SHOWN}
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            by_tag[route["tags"][0]] += _route(method.upper(), path, route)
    for tag, lines in by_tag.items():
        yield f"## {tag.capitalize()}\n"
        yield from lines


def _route(method: str, path: str, route: Json) -> Iterator[str]:
    yield f"### {method} {path}\n"
    yield route.get("description", route["summary"] + ".") + "\n"
    for one in route.get("parameters", ()):
        if one["in"] != "path":
            yield f"* `{one['name']}` ({one['in']}): {_kind(one['schema'])}{_rest(one, one.get('required', False))}"
    if "requestBody" in route:
        content = route["requestBody"]["content"]
        yield "* body: " + ", ".join(_content(media, one) for media, one in content.items())
    for status, answer in route["responses"].items():
        if status.isdigit():
            told = ", ".join(
                _content(media, one) for media, one in answer.get("content", {}).items() if one.get("schema", True)
            )
            yield f"* answer {status}{': ' + told if told else ''}"
    yield ""


def _content(media: str, content: Json) -> str:
    if media == "application/json":
        return _kind(content.get("schema", {}))
    return f"`{media}`"


def _schemas(document: Json) -> Iterator[str]:
    for name, schema in document["components"]["schemas"].items():
        yield f"### {name}\n"
        if "description" in schema:
            yield " ".join(schema["description"].split()) + "\n"
        if "enum" in schema:
            yield "One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + ".\n"
            continue
        required = schema.get("required", ())
        for field, one in schema.get("properties", {}).items():
            yield f"* `{field}`: {_kind(one)}{_rest(one, field in required)}"
        yield ""


def _rest(one: Json, is_required: bool) -> str:
    schema = one.get("schema", one)
    default = schema.get("default")
    is_told = is_required or "const" in schema or default in (None, "", [], {})
    said = "" if is_told else f", by default `{json.dumps(default)}`"
    description = one.get("description", "")
    return said + (f". {description}" if description else "")


def _kind(schema: Json) -> str:
    match schema:
        case {"$ref": ref}:
            name = str(ref).rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"anyOf": kinds} | {"oneOf": kinds}:
            return " or ".join(_kind(kind) for kind in kinds)
        case {"const": value}:
            return f"`{value}`"
        case {"enum": values}:
            return " or ".join(f"`{value}`" for value in values)
        case {"type": "array", "prefixItems": kinds}:
            return "a list of " + " and ".join(_kind(kind) for kind in kinds)
        case {"type": "array", "items": items}:
            return f"a list of {_kind(items)}"
        case {"type": "object", "additionalProperties": dict() as values}:
            return f"an object of {_kind(values)}"
        case {"type": "string", "format": form}:
            return str(form)
        case {"type": kind}:
            return str(kind)
        case _:
            return "anything"


if __name__ == "__main__":
    sys.stdout.write(reference())
