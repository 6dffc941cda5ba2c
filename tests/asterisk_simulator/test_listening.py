"""Event sockets: requests over them, one that takes over, one that breaks; and who may ask at all."""

from __future__ import annotations

import json

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.asterisk_simulator.helpers import NUMBER, Listener, Pbx, basic


def test_requests_go_over_the_event_socket_too(line: Listener) -> None:
    answer = line.ask("POST", "channels/call", {"endpoint": f"PJSIP/{NUMBER}@trunk", "app": "shop"})
    assert (answer["status_code"], answer["reason_phrase"]) == (200, "OK")
    assert json.loads(answer["message_body"])["id"] == "call"

    gone = line.ask("DELETE", "channels/none?reason=normal")
    assert (gone["status_code"], gone["uri"]) == (404, "channels/none")


def test_a_version_before_them_says_nothing_to_requests_over_the_socket(pbx: Pbx) -> None:
    pbx.sim("reset", {"version": "20.13.0"})
    with pbx.listen() as line:
        line.socket.send(
            json.dumps({"type": "RESTRequest", "request_id": "x", "method": "GET", "uri": "asterisk/ping"})
        )
        pbx.dial()
        line.until("Dial")
        assert [event["type"] for event in line.events] == ["Dial"]


def test_a_recording_cannot_be_fetched_over_the_socket(pbx: Pbx, line: Listener) -> None:
    with pbx.media():
        line.until("StasisStart", "media")
        pbx.ari("POST", "bridges/room")
        pbx.ari("POST", "bridges/room/addChannel?channel=media")
        pbx.ari("POST", "bridges/room/record?name=both&format=wav")
        pbx.ari("POST", "recordings/live/both/stop")
        assert line.ask("GET", "recordings/stored/both/file")["status_code"] == 406
        assert pbx.ari("GET", "recordings/stored/both/file").content.startswith(b"RIFF")


def test_a_second_socket_takes_over_and_the_first_is_deaf_but_open(pbx: Pbx, line: Listener) -> None:
    with pbx.listen() as second:
        line.until("ApplicationReplaced")
        pbx.dial()
        second.until("StasisStart", "call")
        assert line.ask("GET", "asterisk/ping")["status_code"] == 200
        assert line.heard() == ["ApplicationReplaced"]


def test_what_happens_while_nobody_listens_is_not_told_later(pbx: Pbx) -> None:
    with pbx.listen() as line:
        pbx.dial()
        line.until("StasisStart", "call")
    with pbx.listen() as other:
        pbx.ari("DELETE", "channels/call")
        other.until("ChannelDestroyed", "call")
        assert [one["id"] for one in pbx.ari("GET", "channels").json()] == []


def test_channels_stay_up_without_a_socket_and_are_heard_of_again(pbx: Pbx) -> None:
    with pbx.listen() as line:
        pbx.dial()
        line.until("StasisStart", "call")
        pbx.sim("events", {"action": "drop"})
        with pytest.raises(ConnectionClosed):
            line.until("ChannelDestroyed")
    assert pbx.ari("GET", "channels/call").json()["dialplan"]["app_data"] == "shop"


def test_the_event_socket_can_be_made_to_drop_while_it_rings(pbx: Pbx, line: Listener) -> None:
    pbx.sim("faults", {"rules": [{"fault": "drop_events", "moment": "ringing", "times": 1}]})
    pbx.dial()
    with pytest.raises(ConnectionClosed):
        line.until("StasisStart")
    assert "Dial RINGING" in line.heard()
    assert pbx.ended()["answered_at"] is not None


def test_a_request_can_be_carried_out_and_its_answer_lost(pbx: Pbx, line: Listener) -> None:
    rule = {"fault": "cut_off", "endpoint": "POST /channels/*", "when": "after", "times": 1}
    pbx.sim("faults", {"rules": [rule]})
    with pytest.raises(httpx.RemoteProtocolError):
        pbx.dial()
    line.until("StasisStart", "call")
    assert pbx.dial().status_code == 409


def test_passwords_are_asked_for_everywhere(pbx: Pbx) -> None:
    assert httpx.get(f"{pbx.url}/ari/channels").status_code == 401
    assert httpx.get(f"{pbx.url}/ari/channels", headers=basic("aispinner", "wrong")).status_code == 401
    with pytest.raises(InvalidStatus) as refused, connect(pbx.socket_url("/ari/events?app=shop&api_key=a:b")):
        pass
    assert refused.value.response.status_code == 401


def test_a_reader_may_look_and_not_dial(pbx: Pbx) -> None:
    reader = basic("readonly", "aispinner")
    assert httpx.get(f"{pbx.url}/ari/channels", headers=reader).status_code == 200
    refused = httpx.post(f"{pbx.url}/ari/channels/call", headers=reader, json={})
    assert (refused.status_code, refused.json()) == (403, {"message": "Write access denied"})


def test_a_killed_pbx_forgets_its_channels_and_tells_nobody(pbx: Pbx, line: Listener) -> None:
    pbx.dial()
    line.until("StasisStart")
    pbx.sim("restart", {})
    with pytest.raises(ConnectionClosed):
        line.until("ChannelDestroyed")
    assert pbx.ari("GET", "channels").json() == []
    assert pbx.ledger()[0]["outcome"] == "lost"


def test_a_media_channel_of_an_id_that_exists_kills_the_pbx(pbx: Pbx, line: Listener) -> None:
    pbx.dial()
    line.until("StasisStart")
    with pytest.raises(httpx.RemoteProtocolError), pbx.media("call"):
        pass
    assert pbx.ari("GET", "channels").json() == []
