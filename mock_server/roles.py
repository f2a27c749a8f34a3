"""What an operation does for its type of task."""

from typing import Literal

Role = Literal["submit", "query", "list", "cancel"]
ROLES: tuple[Role, ...] = ("submit", "query", "list", "cancel")
