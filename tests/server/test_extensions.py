from pathlib import Path

import pytest

from mock_server.document import Document, SpecError
from mock_server.extensions import check_extensions

PLACES = """
openapi: 3.1.0
x-mounts: {prefixes: [/kling]}
paths:
  /a:
    post:
      x-task: {type: t, role: submit}
      x-source: here
components:
  schemas:
    S:
      type: object
      x-source: {type: [here, there]}
      properties:
        a: {type: string, x-source: here}
""".lstrip()


def check(folder: Path, text: str) -> None:
    path = folder / "spec.yaml"
    path.write_text(text)
    check_extensions(Document(path))


def test_known_members_in_their_places_are_fine(tmp_path: Path) -> None:
    check(tmp_path, PLACES)


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("x-mounts", "x-mount", 2, "an unknown extension: did you mean x-mounts?"),
        ("      x-source: here", "      x-sauce: here", 7, "did you mean x-source?"),
        ("x-source: {type: [", "x-zzzzzzzz: {type: [", 12, "an unknown extension: there are x-auth, x-checks"),
        ("x-task: {", "x-tasks: {", 6, "did you mean x-task?"),
        ("components:", "components:\n  x-mounts: {prefixes: [/a]}", 9, "does not belong here"),
        ("type: string, x-source: here", "type: string, x-task: {type: t, role: list}", 14, "does not belong here"),
        ("    S:", "    S:\n      x-delivery: {}", 11, "does not belong here"),
        ("[/kling]", "[kling]", 2, '"kling" does not match'),
        ("[/kling]", "[/kling/]", 2, "does not match"),
        ("[/kling]", "[]", 2, "has less than 1 item"),
        ("[/kling]", "[/kling], extra: 1", 2, "extra"),
        ("role: submit", "role: create", 6, '"create" is not one of'),
        ("{type: t, role: submit}", "{type: t}", 6, '"role" is a required property'),
        ("{type: t, role: submit}", "submit", 6, 'is not of type "object"'),
        ("      x-source: here", "      x-source: Not A Name", 7, "is not valid"),
        ("[here, there]", "[]", 12, "is not valid"),
    ],
)
def test_a_member_that_cannot_be_is_refused_with_line_and_reason(
    tmp_path: Path, old: str, new: str, line: int, reason: str
) -> None:
    with pytest.raises(SpecError) as caught:
        check(tmp_path, PLACES.replace(old, new, 1))
    assert (caught.value.path, caught.value.line) == (tmp_path / "spec.yaml", line)
    assert reason in caught.value.reason
    assert len(caught.value.reason) < 500


@pytest.mark.parametrize(
    "text",
    [
        "components: {schemas: {x-thing: {type: object, properties: {x-name: {type: string}}}}}",
        "components: {responses: {R: {headers: {x-request-id: {schema: {type: string}}}}}}",
        "components: {schemas: {S: {enum: [{x-a: 1}], const: {x-a: 1}, default: {x-a: 1}, example: {x-a: 1}}}}",
        "components: {examples: {x-e: {value: {x-a: 1}}}}",
        "components: {schemas: {S: {examples: [{x-a: 1}]}}}",
    ],
    ids=["properties", "headers", "values", "named-examples", "schema-examples"],
)
def test_names_and_values_of_the_author_are_no_extensions(tmp_path: Path, text: str) -> None:
    check(tmp_path, text)


def test_a_property_called_default_is_looked_into(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="did you mean x-source"):
        check(tmp_path, "components: {schemas: {S: {properties: {default: {x-sourc: a}}}}}")
