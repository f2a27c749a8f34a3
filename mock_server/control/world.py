"""The page that begins a world anew."""

from starlette.responses import Response

from mock_server.control.base import Asked


async def reset(asked: Asked) -> Response:
    """Forget the world: tasks, journal, callbacks, slots, clock and chance are as when its key was new."""
    await asked.body()
    world = asked.world
    told = {"tasks": len(world.store), "callbacks": len(world.outbox), "journal_entries": len(world.journal)}
    asked.twin.reset(world)
    return asked.json({"forgotten": told})
