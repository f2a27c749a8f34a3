"""Writes values as YAML that `document.Document` reads back as they were.

PyYAML writes for readers of YAML 1.1, to whom `1e3` and `08` are text, and a NEL is a line break.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from mock_server.document import plain_value

# Line breaks to some readers and not to others, and what a reader of lines does not keep: only an escape is safe.
_ESCAPED = re.compile("[\x85\u2028\u2029\ufeff]")


class _Dumper(yaml.SafeDumper):
    """Quotes what would be read as something else, and writes what stands in two places twice: it is for people."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def text(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


_Dumper.add_representer(str, _Dumper.text)


def yaml_text(value: Any, *, columns: int, in_line: bool | None = False) -> str:
    """Return a value of JSON as YAML.

    `in_line` None writes lists and mappings that hold nothing but scalars in one line.
    """
    return str(
        yaml.dump(
            value,
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            default_flow_style=in_line,
            width=columns,
        )
    )


def members_text(members: Mapping[str, Any], *, columns: int) -> str:
    """Return a mapping as YAML, a member below the other, and small ones in one line: as people write scenarios."""
    return "".join(
        yaml_text({name: value}, columns=columns, in_line=None if isinstance(value, dict | list) else False)
        for name, value in members.items()
    )


def _style(text: str) -> str | None:
    if _ESCAPED.search(text):
        return '"'
    try:
        read = plain_value(text)
    except ValueError:
        return "'"
    return None if read is text else "'"
