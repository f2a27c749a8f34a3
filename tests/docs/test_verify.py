"""The page on checking a provider names every option, and every finding that there is."""

import re
from pathlib import Path

import click
import pytest

from contracts.selftest_command import selftest
from contracts.verify_command import verify

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/verify.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "option",
    [each.opts[-1] for command in (verify, selftest) for each in command.params if isinstance(each, click.Option)],
)
def test_the_page_names_every_option(option: str) -> None:
    assert f"`{option}`" in PAGE


def test_the_page_names_no_option_that_is_not_there() -> None:
    known = {name for command in (verify, selftest) for each in command.params for name in each.opts}
    assert set(re.findall(r"(--[a-z][a-z-]*)", PAGE)) - {"--api-key"} <= known


def test_the_page_names_every_finding() -> None:
    source = "".join(each.read_text(encoding="utf-8") for each in (ROOT / "contracts/provider_check").glob("*.py"))
    codes = set(re.findall(r'(?:found|odd)\(\s*"([a-z-]+)"', source))
    codes |= {f"{kind}-{what}" for kind in ("reply", "refusal", "callback") for what in ("schema", "member")}
    assert codes == set(re.findall(r"`([a-z-]+)`", PAGE.partition("| Code |")[2].partition("\n\n")[0]))
