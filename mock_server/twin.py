"""A twin, put together from its settings: the endpoint, its worlds, and what sends their callbacks."""

import functools
import time
from collections.abc import Callable

import msgspec

from mock_server import guard
from mock_server.attempts import Attempts, Schedule
from mock_server.auth import Auth
from mock_server.callback_message import Messages
from mock_server.callbacks import Callbacks
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
from mock_server.signature import Signing
from mock_server.store import Room
from mock_server.tally import Tally
from mock_server.tls import trusting
from mock_server.worlds import Bounds, World, Worlds

# As many receivers as are called at a time; taking an address apart costs as much as signing.
_REFUSALS_KEPT = 1_000


class Twin(msgspec.Struct, frozen=True):
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
    signing: Signing

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
    real_ns: Callable[[], int] = time.time_ns,
    post: Callable[[], Post] | None = None,
    callback_refusal: Callable[[str], str] | None = None,
    seed_of: Callable[[str], int] | None = None,
) -> Twin:
    """Put a twin together; raise ValueError where a setting does not go with the spec.

    `real_ns` is what the journals take for real time. `post` makes what callbacks are sent with; usually that is
    aiohttp. `callback_refusal` says why callbacks to an address will not be sent, or nothing; usually the guard does.
    `seed_of` returns the seed of a world by its key (of a JWT, its `iss`); usually that is the settings' own, for all.
    """
    refusal = functools.lru_cache(_REFUSALS_KEPT)(
        callback_refusal or functools.partial(guard.refusal, allowed_hosts=settings.callback_allow)
    )
    bounds = bounds or Bounds()
    task_room, journal_room = Room(bounds.tasks), Room(bounds.journal_bytes)
    tally = Tally()
    task_types = program.spec.task_types
    clock = clock or (ManualClock if settings.clock == "manual" else _same(SystemClock(scale=settings.time_scale)))

    def make_world(name: str) -> World:
        return World(
            name,
            # What has no key has no world; it is kept under the empty name.
            seed=seed_of(name) if seed_of is not None and name else settings.seed,
            clock=clock(),
            task_types=task_types,
            concurrency=settings.concurrency,
            task_room=task_room,
            journal_room=journal_room,
            tally=tally,
            real_ns=real_ns,
        )

    worlds = Worlds(make_world, bounds=bounds, monotonic_seconds=monotonic_seconds)
    catalogue = Catalogue(program.spec, settings.scenarios)
    chooser = Chooser(catalogue.choose, catalogue.choose(settings.scenario))
    signing = Signing(settings.callback_secret, settings.seed)
    attempts = Attempts(
        messages=Messages(program, signing, scenario=chooser.of, wall_seconds=wall_seconds),
        schedules=_schedules(settings, program),
        scenario=chooser.of,
        post=post or _make_post(settings),
    )
    callbacks = Callbacks(attempts, refusal)
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
        chooser,
        explain=settings.explain,
        media_base_url=settings.media_base_url,
        own_base_url=f"http://127.0.0.1:{settings.port}",
        callback_refusal=refusal,
    )
    return Twin(
        settings, program, endpoint, worlds, callbacks, catalogue, Readers(bounds), tally, journal_room, signing
    )


def _schedules(settings: Settings, program: Program) -> dict[str, Schedule]:
    """The spec's, where the settings do not say otherwise."""
    timeout_ms, retries_ms = settings.callback_timeout_ms, settings.callback_retries_ms
    return {
        name: Schedule(
            timeout_ms=each.timeout_ms if timeout_ms is None else timeout_ms,
            retries_ms=each.retries_ms if retries_ms is None else retries_ms,
        )
        for name, each in program.deliveries.items()
    }


def _make_post(settings: Settings) -> Callable[[], Post]:
    if settings.callback_ca is None:
        return AiohttpPost
    # Read at start: a file that cannot serve is told then, not with the first callback.
    return functools.partial(AiohttpPost, trusting(settings.callback_ca))


def _same(clock: Clock) -> Callable[[], Clock]:
    """System clocks all show the same time; one serves every world."""
    return lambda: clock
