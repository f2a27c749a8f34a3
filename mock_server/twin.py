"""A twin, put together from its settings: the endpoint, its worlds, and what sends their callbacks."""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

from mock_server import guard
from mock_server.auth import Auth
from mock_server.callbacks import Callbacks, Schedule
from mock_server.catalogue import Catalogue, Changes
from mock_server.choosing import Chooser
from mock_server.clock import Clock, ManualClock, SystemClock
from mock_server.endpoint import Endpoint
from mock_server.media import load_library
from mock_server.post import AiohttpPost, Post
from mock_server.program import Program
from mock_server.reader import load_spec
from mock_server.readers import Readers
from mock_server.resources import resource
from mock_server.rules import choose_profile
from mock_server.settings import Settings
from mock_server.signature import Signer
from mock_server.store import Room
from mock_server.tally import Tally
from mock_server.worlds import Bounds, World, Worlds


@dataclass(frozen=True, slots=True)
class Twin:
    """The parts of a running twin that its shells need."""

    settings: Settings
    program: Program
    endpoint: Endpoint
    worlds: Worlds
    callbacks: Callbacks
    catalogue: Catalogue
    readers: Readers
    tally: Tally
    journal_room: Room

    @property
    def key_header(self) -> str:
        """The name, in lower case, of the header that brings the key."""
        return self.endpoint.auth.header.decode("ascii")

    def reset(self, world: World) -> None:
        """Forget all of a world: its key opens a new one, as when it was first used."""
        self.callbacks.forget(world)
        self.worlds.close(world)

    def reload_scenarios(self) -> Changes:
        """Read the user's scenarios again; raise ScenariosRefused, and change nothing, where one cannot be used.

        Tasks that a scenario was chosen for keep it as it was, and so does what is armed.
        """
        changes = self.catalogue.reload(self.settings.scenario)
        self.endpoint.scenarios.default = self.catalogue.choose(self.settings.scenario)
        return changes


def load_program(settings: Settings) -> Program:
    """Return the compiled spec; raise SpecError or ValueError where it, the profile or the dialect is not good."""
    spec = load_spec(settings.spec or resource("openapi.yaml"))
    profile = choose_profile(spec, settings.profile)
    return Program(spec, profile, load_library(), mounts=settings.mounts, dialect=settings.dialect)


def make_twin(
    settings: Settings,
    program: Program,
    *,
    bounds: Bounds | None = None,
    clock: Callable[[], Clock] | None = None,
    wall_seconds: Callable[[], float] = time.time,
    monotonic_seconds: Callable[[], float] = time.monotonic,
    post: Callable[[], Post] = AiohttpPost,
    callback_refusal: Callable[[str], str] | None = None,
) -> Twin:
    """Put a twin together; raise ValueError where a setting does not go with the spec.

    `callback_refusal` says why callbacks to an address will not be sent, or nothing; usually the guard does.
    """
    refusal = callback_refusal or functools.partial(guard.refusal, allowed_hosts=settings.callback_allow)
    bounds = bounds or Bounds()
    task_room, journal_room = Room(bounds.tasks), Room(bounds.journal_bytes)
    tally = Tally()
    task_types = program.spec.task_types
    clock = clock or (ManualClock if settings.clock == "manual" else _same(SystemClock(scale=settings.time_scale)))

    def make_world(name: str) -> World:
        return World(
            name,
            seed=settings.seed,
            clock=clock(),
            task_types=task_types,
            concurrency=settings.concurrency,
            task_room=task_room,
            journal_room=journal_room,
            tally=tally,
        )

    worlds = Worlds(make_world, bounds=bounds, monotonic_seconds=monotonic_seconds)
    catalogue = Catalogue(program.spec, settings.scenarios)
    callbacks = Callbacks(
        replies=program.replies,
        dialect=program.dialect,
        schedules={
            name: Schedule(
                timeout_ms=each.timeout_ms if settings.callback_timeout_ms is None else settings.callback_timeout_ms,
                retries_ms=each.retries_ms if settings.callback_retries_ms is None else settings.callback_retries_ms,
            )
            for name, each in program.deliveries.items()
        },
        post=post,
        wall_seconds=wall_seconds,
        refusal=refusal,
        signer=Signer(settings.callback_secret) if settings.callback_secret is not None else None,
    )
    worlds.on_open, worlds.on_close = callbacks.watch, callbacks.unwatch
    endpoint = Endpoint(
        program,
        worlds,
        Auth(
            worlds,
            api_keys=settings.api_keys,
            scheme=program.spec.auth,
            wall_seconds=wall_seconds,
        ),
        Chooser(catalogue.choose, catalogue.choose(settings.scenario)),
        explain=settings.explain,
        media_base_url=settings.media_base_url,
        own_base_url=f"http://127.0.0.1:{settings.port}",
        callback_refusal=refusal,
    )
    readers = Readers(
        in_all_max=bounds.readers, per_world_max=bounds.readers_per_world, stalled_seconds=bounds.stalled_seconds
    )
    return Twin(settings, program, endpoint, worlds, callbacks, catalogue, readers, tally, journal_room)


def _same(clock: Clock) -> Callable[[], Clock]:
    """System clocks all show the same time; one serves every world."""
    return lambda: clock
