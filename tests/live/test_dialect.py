"""A gateway's dialect over a socket: what a client has to find its way through."""

from tests.live.conftest import StartServer
from tests.live.support import TO_THE_END, Client, Receiver


def test_a_client_of_a_gateway_finds_status_and_video_and_callbacks_are_the_vendors(
    start: StartServer, receiver: Receiver, key: str
) -> None:
    client = Client(start("--dialect", "gateway-wrapper", "--clock", "manual"), key)
    answer = client.submit(callback_url=receiver.url())
    task_id = answer.json()["task_id"]
    client.advance(TO_THE_END)
    wrapped = client.task(task_id)
    assert wrapped["status"] == "SUCCESS"
    assert client.server.http.get(wrapped["fail_reason"]).headers["content-type"] == "video/mp4"
    assert client.submit(prompt="").json()["code"] == "fail_to_fetch_task"
    assert [each.json["task_status"] for each in receiver.wait(3)] == ["submitted", "processing", "succeed"]
