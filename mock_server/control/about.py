"""The pages about the twin itself: whether it answers, its numbers, its spec, and what its control API is."""

import yaml
from starlette.responses import PlainTextResponse, Response

from mock_server import __version__
from mock_server.control.base import Asked
from mock_server.resources import resource

_YAML = "application/yaml"


async def health(asked: Asked) -> Response:
    """Say that the server answers, and what it is."""
    twin = asked.twin
    return asked.json(
        {
            "status": "ok",
            "version": __version__,
            "spec": twin.program.spec.title,
            "profile": twin.program.profile.name,
            "clock": twin.settings.clock,
            "worlds": len(twin.worlds),
            "crashes": twin.endpoint.crashes,
        }
    )


async def metrics(asked: Asked) -> Response:
    """Answer with the twin's numbers, as Prometheus reads them."""
    from mock_server.control.metrics import CONTENT_TYPE, exposition

    return PlainTextResponse(exposition(asked.twin), headers={"content-type": CONTENT_TYPE})


async def spec(asked: Asked) -> Response:
    """Answer with the file that drives this twin; under another dialect, with the response schemas of that."""
    program = asked.twin.program
    if program.dialect == program.spec.default_dialect:
        return Response(program.spec.document.path.read_bytes(), media_type=_YAML)
    return Response(yaml.safe_dump(program.openapi(), sort_keys=False, allow_unicode=True), media_type=_YAML)


async def control_spec(asked: Asked) -> Response:
    """Answer with the OpenAPI file of the control API."""
    return Response(resource("fixtures/control-api.yaml").read_bytes(), media_type=_YAML)
