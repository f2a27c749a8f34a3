"""Writes docs/scenario-catalogue.md from the files of fixtures/scenarios.

    python .ci/make_scenario_docs.py

A test compares the page with what this makes.
"""

from pathlib import Path

from mock_server.catalogue import Catalogue, Entry
from mock_server.reader import load_spec
from mock_server.resources import resource
from mock_server.scenario_files import EACH_PROBLEM

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/scenario-catalogue.md"
FOLDER = "fixtures/scenarios"

HEAD = """# The catalogue of scenarios

Made from the files of [`fixtures/scenarios`](../fixtures/scenarios) by `.ci/make_scenario_docs.py`: do not edit it.
What the files may say is in [scenarios.md](scenarios.md); `omnimock scenarios show NAME` shows one.

Besides these there is one scenario for each problem of the spec (`omnimock problems` lists them), made from
[`problem.yaml`](../fixtures/scenarios/problem.yaml):

"""


def page() -> str:
    """Return the whole page."""
    catalogue = Catalogue(load_spec(resource("openapi.yaml")))
    entries = {each.name: each for each in catalogue.entries() if (ROOT / FOLDER / f"{each.name}.yaml").exists()}
    pains = {name: catalogue.tell(name).source.get("pain") for name in entries}
    numbered = sorted((number, name) for name, number in pains.items() if number is not None)
    usual = [name for name, number in pains.items() if number is None]
    text = HEAD + _listed(catalogue.tell(catalogue.a_problem).entry)
    text += f"\n{_yaml(EACH_PROBLEM)}\n## Stories of every day\n\n| scenario | what happens |\n|---|---|\n"
    text += "".join(f"| [`{name}`](#{name}) | {_cell(entries[name].about)} |\n" for name in usual)
    text += "\n## Pains\n\nEach of these has hurt a client, or would. The number is the `pain` of the file.\n\n"
    text += "| | scenario | what happens |\n|---|---|---|\n"
    text += "".join(f"| {number} | [`{name}`](#{name}) | {_cell(entries[name].about)} |\n" for number, name in numbered)
    for name in (*usual, *(name for _, name in numbered)):
        text += f"\n### {name}\n\n{_prose(entries[name])}\n{_yaml(name)}"
    return text


def _prose(entry: Entry) -> str:
    seen = f"\n*Seen:* {entry.seen}\n" if entry.seen else ""
    parameters = f"\n{_listed(entry)}" if entry.parameters else ""
    return f"{entry.about}\n{seen}{parameters}"


def _listed(entry: Entry) -> str:
    rows = "".join(f"| `{each.name}` | `{each.default}` | {_cell(each.about)} |\n" for each in entry.parameters)
    return f"| parameter | usually | |\n|---|---|---|\n{rows}"


def _yaml(stem: str) -> str:
    text = (ROOT / FOLDER / f"{stem}.yaml").read_text(encoding="utf-8")
    return f"<details><summary><code>{stem}.yaml</code></summary>\n\n```yaml\n{text}```\n\n</details>\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} is written")
