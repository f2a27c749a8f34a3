"""What a client must have heard. Over sockets a reply may come when it has just stopped to listen: nobody can tell."""

from contracts.observation import Session, was_heard
from contracts.wire import Sighting

# A reply that comes so short before the client stops to listen may be one that it never heard.
_SECONDS = 0.15


def final_heard(session: Session) -> Sighting | None:
    """Return the first reply that told the end of the task, and that the client must have heard."""
    finals = (each for each in session.task_queries() if session.is_final(each) and was_heard(each))
    return next((each for each in finals if session.virtual or _in_time(session, each)), None)


def _in_time(session: Session, reply: Sighting) -> bool:
    began = min(each.began for each in session.wire)
    left_for_request = session.setting("request_timeout_seconds") - (reply.ended - reply.began)
    left_for_job = session.setting("deadline_seconds") - (reply.ended - began)
    return min(left_for_request, left_for_job) > _SECONDS
