"""`omnimock verify URL`: does a server that claims to be the provider keep the contract?"""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contracts.kit import elsewhere, need_kit
from mock_server.options import Duration, fail, json_option, one_line_errors, profile_option, spec_option

if TYPE_CHECKING:
    from contracts.provider_check import Verification


@click.command()
@click.argument("url")
@click.option(
    "--key-env",
    default="DEERAPI_KEY",
    show_default=True,
    metavar="NAME",
    help="The environment variable that holds the key; it is never shown or written.",
)
@click.option(
    "--max-tasks",
    "tasks_max",
    type=click.IntRange(0, 1_000),
    default=0,
    show_default=True,
    help="How many tasks may be created, and paid for. Without any, only what must be refused is sent, and reads.",
)
@click.option("--for", "for_ms", type=Duration(), default="10m", show_default=True, help="How long it may take.")
@click.option(
    "--requests",
    "requests_max",
    type=click.IntRange(1, 100_000),
    default=1_000,
    show_default=True,
    help="How many requests may be sent.",
)
@click.option("--examples", type=click.IntRange(1, 1_000), default=10, show_default=True, help="How many are made up.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What they are drawn from.")
@click.option("--dialect", metavar="NAME", help="The wire shape that is expected.  [default: the spec's]")
@click.option(
    "--callback-url",
    metavar="URL",
    help="Where the service can send callbacks that end up at --callback-port here.  [default: here, for a local one]",
)
@click.option(
    "--callback-port",
    type=click.IntRange(0, 65_535),
    default=0,
    help="The port for callbacks on this machine.  [default: a free one]",
)
@click.option("--ca", "ca_file", type=click.Path(path_type=Path), metavar="FILE", help="Trust this authority as well.")
@click.option("--report", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Write the report here too.")
@json_option
@profile_option
@spec_option
def verify(url: str, key_env: str, for_ms: int, folder: Path | None, as_json: bool, **options: Any) -> None:
    """Check the server at URL against the spec, and say who has moved.

    Exit status 0 where nothing was found, 1 where something was, 2 where it could not be checked.
    """
    with one_line_errors():
        need_kit("verify")
        key = os.environ.get(key_env, "")
        if not key:
            fail(f"the environment variable {key_env} holds no key; set it, or name another with --key-env")
        if options["callback_url"] and not options["callback_port"]:
            fail("--callback-url goes with --callback-port, the port on this machine that it leads to")
        if folder is not None:
            _check_folder(folder)
        from contracts.provider_check import Plan, verify_provider

        plan = Plan(url=url, seconds_max=for_ms / 1_000, **options)
        try:
            with elsewhere():
                verification = verify_provider(plan, key)
        except KeyboardInterrupt:
            fail("interrupted: nothing was found so far")
        _tell(verification, folder, as_json)
    sys.exit(verification.status)


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--report {folder}: is not a folder")
    folder.mkdir(parents=True, exist_ok=True)


def _tell(verification: "Verification", folder: Path | None, as_json: bool) -> None:
    from contracts.provider_check.report import text_of

    text = text_of(verification)
    told = json.dumps(verification.as_json(), indent=2, ensure_ascii=False)
    if folder is not None:
        (folder / "verify.txt").write_text(f"{text}\n", encoding="utf-8")
        (folder / "verify.json").write_text(f"{told}\n", encoding="utf-8")
    click.echo(told if as_json else text)
