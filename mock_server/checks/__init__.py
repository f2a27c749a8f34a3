"""Checks for the rules that JSON Schema cannot say, or only in an ugly way. One file, one check.

A check is made from the `with` of the spec's `x-checks` member, and then told a body and what is already in the
world. It returns the pointer and the value of each thing that breaks it: empty where the rule is kept.
To add one: a file with a function `make`, and a line in `CHECKS`.
"""

from collections.abc import Callable, Container, Mapping
from typing import Any

from mock_server.checks import counts_at_most, references_exist, sum_equals, unused_external_id

Broken = list[tuple[str, Any]]

# (body, the external id of the request or None, external ids used so far) → what is broken.
Check = Callable[[Any, str | None, Container[str]], Broken]

CHECKS: Mapping[str, Callable[[Mapping[str, Any]], Check]] = {
    "counts-at-most": counts_at_most.make,
    "references-exist": references_exist.make,
    "sum-equals": sum_equals.make,
    "unused-external-id": unused_external_id.make,
}
