"""Scenarios over a real server: chosen by header, by prompt, by setting, from a folder of the user's own."""

from pathlib import Path

from tests.live.conftest import StartServer
from tests.live.support import Client, run_omnimock
from tests.support import MINIMAL, OMNI


def prefer(client: Client, scenario: str) -> dict[str, str]:
    return {**client.headers, "prefer": f"scenario={scenario}"}


def test_a_header_chooses_for_one_request(client: Client) -> None:
    answer = client.server.http.post(OMNI, json=MINIMAL, headers=prefer(client, "maintenance"))
    assert (answer.status_code, answer.json()["code"]) == (503, 5001)
    assert client.submit().status_code == 200


def test_a_prompt_chooses_for_clients_without_headers(client: Client) -> None:
    task_id = client.created(prompt="A lighthouse. [[scenario: instant]]")
    assert client.task(task_id)["task_status"] == "succeed"


def test_an_unknown_scenario_is_a_clear_400(client: Client) -> None:
    answer = client.server.http.post(OMNI, json=MINIMAL, headers=prefer(client, "maintenence"))
    assert answer.status_code == 400
    assert "did you mean maintenance?" in answer.headers["x-mock-explanation"]
    assert client.listed() == []


def test_a_folder_and_a_setting_choose_for_everybody(start: StartServer, tmp_path: Path, key: str) -> None:
    (tmp_path / "grumpy.yaml").write_text(
        "name: grumpy\nabout: The first two lists are refused, and tasks fail.\n"
        "list: [{problem: rate-limited, times: 2}]\nlifecycle: {pace: 0s, outcome: image-ratio}\n",
        encoding="utf-8",
    )
    client = Client(start("--scenarios", str(tmp_path), "--scenario", "grumpy"), key)
    assert client.task(client.created())["task_status"] == "failed"
    asked = [client.server.http.get(OMNI, headers=client.headers).status_code for _ in range(3)]
    assert asked == [429, 429, 200]


def test_a_slip_in_a_file_stops_the_start_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "grumpy.yaml"
    path.write_text("name: grumpy\nabout: Grumpy.\nlist: [{problem: rate-limted}]\n", encoding="utf-8")
    ended = run_omnimock("serve", "--port", "0", "--scenarios", str(tmp_path), folder=tmp_path)
    assert ended.status == 2
    assert ended.err == (
        f"error: {path}:3: list/0/problem: there is no problem 'rate-limted'; did you mean rate-limited?\n"
    )
