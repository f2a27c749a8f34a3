"""The videos of results, at the addresses that replies give."""

from http import HTTPStatus

from starlette.responses import FileResponse, PlainTextResponse, Response

from mock_server.control.base import Asked
from mock_server.lifecycle import step_index


async def video(asked: Asked) -> Response:
    """Serve the video of a result, to anybody who has its address, until it expires."""
    world = asked.twin.worlds.by_tag(asked.path("tag"))
    name = asked.path("name").removesuffix(".mp4").removesuffix("-watermark")
    task = world.store.find(name) if world else None
    if world is None or task is None or task.media is None or task.id != name:
        return PlainTextResponse("there is no such result", HTTPStatus.NOT_FOUND)
    now_ms = world.clock.now_ms()
    step = step_index(task.plan, now_ms)
    program = asked.twin.program
    result = program.spec.task_types[task.type].result
    if task.plan.steps[step].final != "success" or result is None:
        return PlainTextResponse("there is no such result yet", HTTPStatus.NOT_FOUND)
    scenario = task.scenario or asked.twin.endpoint.scenarios.default
    expires_ms = result.expires_after_ms if scenario.expires_ms is None else scenario.expires_ms
    if expires_ms is not None and now_ms >= task.plan.at_ms[step] + expires_ms:
        return PlainTextResponse("this result has expired", HTTPStatus.FORBIDDEN)
    return FileResponse(program.library.folder / task.media.file, media_type="video/mp4")
