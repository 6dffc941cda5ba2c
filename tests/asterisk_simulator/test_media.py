"""Audio through the PBX: between a telephone and an application's socket, in both directions."""

from __future__ import annotations

import socket
import struct
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from integrations.asterisk.simulator import sounds
from tests.asterisk_simulator.helpers import Listener, Media, Pbx

_FRAME = 640
_TALK = {"outcome": "answered", "ring_secs": 0, "talk_secs": 3000}


@contextmanager
def _bridged(pbx: Pbx, line: Listener, bridge: str = "room") -> Iterator[Media]:
    """A call and its media channel in one bridge."""
    pbx.dial()
    line.until("StasisStart", "call")
    with pbx.media() as media:
        line.until("StasisStart", "media")
        pbx.ari("POST", f"bridges/{bridge}")
        assert pbx.ari("POST", f"bridges/{bridge}/addChannel?channel=call,media").status_code == 204
        yield media


def test_a_telephones_tone_is_heard_by_the_application(pbx: Pbx, line: Listener) -> None:
    pbx.script(**_TALK, manner="tone", tone_hz=440)
    with _bridged(pbx, line) as media:
        heard = media.audio(10)
    assert len(heard) == 10 * _FRAME
    assert sounds.share_of(heard, 16000, 440) > 0.95


def test_the_applications_tone_is_heard_by_the_telephone(pbx: Pbx, line: Listener) -> None:
    with _bridged(pbx, line) as media:
        media.command("START_MEDIA_BUFFERING")
        media.socket.send(sounds.tone(700, 16000)[: 15 * _FRAME])
        media.command("STOP_MEDIA_BUFFERING", correlation_id="end")
        assert media.until("MEDIA_BUFFERING_COMPLETED")["correlation_id"] == "end"
        phone = pbx.sim("phones/call?hz=700")
    assert phone["share"] > 0.95
    assert phone["frames_heard"] >= 14
    assert pbx.sim("phones/call?hz=500")["share"] < 0.05


def test_flushing_takes_away_what_is_queued_and_ends_buffering(pbx: Pbx, line: Listener) -> None:
    with _bridged(pbx, line) as media:
        media.command("START_MEDIA_BUFFERING")
        media.socket.send(bytes(_FRAME * 100))
        assert media.status()["queue_length"] > 50
        media.command("FLUSH_MEDIA")
        status = media.status()
    assert (status["queue_length"], status["bulk_media"]) == (0, False)


def test_without_buffering_what_is_no_whole_frame_is_lost(pbx: Pbx, line: Listener) -> None:
    with pbx.media() as media:
        media.command("PAUSE_MEDIA")
        media.socket.send(bytes(_FRAME + 100))
        media.socket.send(bytes(_FRAME - 100))
        assert media.status()["queue_length"] == 1
        media.command("START_MEDIA_BUFFERING")
        media.socket.send(bytes(_FRAME + 100))
        media.socket.send(bytes(_FRAME - 100))
        assert media.status()["queue_length"] == 3


def test_a_full_queue_says_so_and_drops_what_comes_on_top(pbx: Pbx, line: Listener) -> None:
    with pbx.media() as media:
        media.command("PAUSE_MEDIA")
        for _ in range(12):
            media.socket.send(bytes(_FRAME * 100))
        media.until("MEDIA_XOFF")
        assert media.status()["queue_length"] == 1000
        media.command("FLUSH_MEDIA")
        media.command("CONTINUE_MEDIA")
        media.until("MEDIA_XON")


def test_a_long_control_message_is_not_read(pbx: Pbx, line: Listener) -> None:
    with pbx.media() as media:
        media.command("MARK_MEDIA", correlation_id="x" * 128)
        media.command("MARK_MEDIA", correlation_id="short")
        assert media.until("MEDIA_MARK_PROCESSED")["correlation_id"] == "short"


def test_a_media_address_opens_once(pbx: Pbx, line: Listener) -> None:
    with pytest.raises(InvalidStatus) as unknown, connect(pbx.socket_url("/media/none")):
        pass
    assert unknown.value.response.status_code == 404
    with pbx.media() as media:
        address = pbx.socket_url("/media/" + media.until("MEDIA_START")["connection_id"])
        with pytest.raises(InvalidStatus) as taken, connect(address):
            pass
    assert taken.value.response.status_code == 409


def test_the_media_channel_stays_when_the_far_end_hangs_up(pbx: Pbx, line: Listener) -> None:
    with _bridged(pbx, line):
        pbx.sim("phones/call/hangup", {})
        assert line.until("ChannelDestroyed", "call")["cause"] == 16
        assert pbx.ari("GET", "channels/media").json()["state"] == "Up"


def test_the_call_stays_up_in_silence_when_the_media_socket_goes(pbx: Pbx, line: Listener) -> None:
    with _bridged(pbx, line) as media:
        media.socket.close()
        end = line.until("ChannelDestroyed", "media")
    assert (end["cause"], end["tech_cause"]) == (16, 1001)
    assert pbx.ari("GET", "channels/call").json()["state"] == "Up"


def test_deleting_the_media_channel_closes_its_socket(pbx: Pbx, line: Listener) -> None:
    with _bridged(pbx, line) as media:
        pbx.ari("DELETE", "channels/media")
        with pytest.raises(ConnectionClosed) as closed:
            media.audio(1000)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000


def test_a_bridge_with_a_channels_id_is_heard_of_no_more(pbx: Pbx, line: Listener) -> None:
    with _bridged(pbx, line, bridge="call"):
        pbx.ari("DELETE", "channels/call")
        line.until("ChannelDestroyed", "call")
    assert "ChannelEnteredBridge" not in line.heard()


def test_several_channels_are_added_by_query_or_array_and_not_by_a_comma_in_json(pbx: Pbx, line: Listener) -> None:
    pbx.dial()
    line.until("StasisStart")
    pbx.ari("POST", "bridges/room")
    with pbx.media():
        line.until("StasisStart", "media")
        assert pbx.ari("POST", "bridges/room/addChannel", {"channel": "call,media"}).status_code == 400
        assert pbx.ari("POST", "bridges/room/addChannel", {"channel": ["call", "media"]}).status_code == 204


def test_a_recording_holds_both_sides(pbx: Pbx, line: Listener) -> None:
    pbx.script(**_TALK, manner="tone", tone_hz=440)
    with _bridged(pbx, line) as media:
        assert pbx.ari("POST", "bridges/room/record?name=both&format=wav").status_code == 201
        media.command("START_MEDIA_BUFFERING")
        media.socket.send(sounds.tone(900, 16000)[: 10 * _FRAME])
        media.command("MARK_MEDIA", correlation_id="end")
        media.until("MEDIA_MARK_PROCESSED")
        pbx.ari("POST", "recordings/live/both/stop")
        line.until("RecordingFinished")
    pcm = pbx.ari("GET", "recordings/stored/both/file").content[44:]
    assert sounds.share_of(pcm, 8000, 440) > 0.2
    assert sounds.share_of(pcm, 8000, 900) > 0.2


def test_somebody_who_barges_in_knows_when_the_other_fell_silent(pbx: Pbx, line: Listener) -> None:
    pbx.script(**_TALK, manner="barge_in", barge_in_secs=0.1)
    with _bridged(pbx, line) as media:
        media.command("START_MEDIA_BUFFERING")
        media.socket.send(sounds.tone(500, 16000))
        while not (interrupted := pbx.sim("phones/call")["barge_ins"]):
            media.socket.send(sounds.tone(500, 16000)[: 10 * _FRAME])
            media.audio(5)
        assert interrupted[0]["silent_after_ms"] is None
        media.command("FLUSH_MEDIA")
        while pbx.sim("phones/call")["barge_ins"][0]["silent_after_ms"] is None:
            media.audio(5)


def test_an_audiosocket_says_whose_it_is_and_carries_both_ways(pbx: Pbx, line: Listener) -> None:
    pbx.script(**_TALK, manner="tone", tone_hz=440)
    pbx.dial()
    line.until("StasisStart")
    ident = uuid.uuid4()
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
        asked = {"app": "shop", "encapsulation": "audiosocket", "transport": "tcp", "format": "slin16"}
        pbx.ari(
            "POST", "channels/externalMedia", {**asked, "channelId": "media", "external_host": host, "data": str(ident)}
        )
        app, _ = server.accept()
        with app, app.makefile("rb") as frames:
            assert struct.unpack(">BH16s", frames.read(19)) == (1, 16, ident.bytes)
            line.until("StasisStart", "media")
            pbx.ari("POST", "bridges/room")
            pbx.ari("POST", "bridges/room/addChannel?channel=call,media")
            heard = b"".join(frames.read(3 + _FRAME)[3:] for _ in range(10))
            assert sounds.share_of(heard, 16000, 440) > 0.95

            app.sendall(struct.pack(">BH", 0, 0))
            line.until("ChannelDestroyed", "media")
    assert pbx.ari("GET", "channels/call").status_code == 200


def test_an_audiosocket_that_is_refused_or_without_a_uuid_is_an_error(pbx: Pbx, line: Listener) -> None:
    asked = {"app": "shop", "encapsulation": "audiosocket", "transport": "tcp", "format": "slin"}
    for data in ("no-uuid", str(uuid.uuid4())):
        refused = pbx.ari("POST", "channels/externalMedia", {**asked, "external_host": "127.0.0.1:1", "data": data})
        assert refused.status_code == 500
