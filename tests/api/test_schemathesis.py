"""Every route, asked at random by what its OpenAPI document says of it, and by what it does not."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.api.door import Door
from tests.api.test_matrix import MATRIX

PEOPLE = ("admin", "user", "nobody")
TAKE_NOTHING = ("z", "GET /api/v1/login")
MACHINES = {"agent": "/api/agent/", "gateway": "/api/gateway/"}


def _asked() -> Iterator[tuple[str, str, str]]:
    """A door of machines by its machine, the others by people."""
    for route in MATRIX:
        machines = [who for who, path in MACHINES.items() if path in route]
        for who in machines or PEOPLE:
            yield route, who, "positive"
            if not route.endswith(TAKE_NOTHING):  # cannot be asked wrongly
                yield route, who, "negative"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite"])  # what is asked is read before any database is
@pytest.mark.parametrize(("route", "who", "mode"), list(_asked()))
def test_a_route_answers_as_its_document_says_and_has_no_bug(lived_in: Door, route: str, who: str, mode: str) -> None:
    # Here, for it takes a second to import, and the quick suite has no use for it.
    import schemathesis  # noqa: PLC0415
    from schemathesis import checks  # noqa: PLC0415
    from schemathesis.specs.openapi import checks as openapi  # noqa: PLC0415

    for kind in ("application/x-tar", "application/offset+octet-stream"):
        schemathesis.serializer.alias(kind, "application/octet-stream")
    method, _space, path = route.partition(" ")
    operation = schemathesis.openapi.from_asgi("/api/v1/openapi.json", lived_in.app)[path][method]

    conforms = [
        checks.not_a_server_error,
        openapi.status_code_conformance,
        openapi.content_type_conformance,
        openapi.response_headers_conformance,
        openapi.response_schema_conformance,
    ]

    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    @settings(
        max_examples=10,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
    )
    def ask(case: Any) -> None:
        if "wait_s" in (case.query or {}):
            case.query["wait_s"] = 0
        case.call_and_validate(headers=lived_in.headers(who), checks=conforms)

    ask()
