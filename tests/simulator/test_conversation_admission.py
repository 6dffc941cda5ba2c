"""The agents' conversation socket: who may come in, and how many at once."""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus

from tests.simulator.helpers import AGENT, Caller, eventually
from tests.simulator.talking import (
    change,
    public,
    signed,
    talking,
)

pytestmark = pytest.mark.usefixtures("quick")


def test_a_public_agent_needs_no_signature(sim: Caller) -> None:
    with talking(public(sim)) as talk:
        talk.until("agent_response")


def test_a_private_agent_needs_one(sim: Caller) -> None:
    change(sim, platform_settings={"auth": {"enable_auth": True}})
    with talking(public(sim)) as talk:
        assert talk.close_code() == 1008
    with talking(signed(sim)) as talk:
        talk.until("agent_response")


def test_an_address_that_opens_nothing_is_closed_with_1008(sim: Caller) -> None:
    other = "agent_7101k5zvyjhmfg983brhmhkd98n6"
    used = signed(sim, include_conversation_id=True)
    with talking(used) as talk:
        assert talk.until("conversation_initiation_metadata")["conversation_id"] in used
    stale = signed(sim)
    sim.post("/_sim/sockets/expire")
    for address in (
        used,
        stale,
        public(sim, "agent_nowhere"),
        public(sim) + "&conversation_signature=cvtkn_0",
        signed(sim).replace(AGENT, other),
    ):
        with talking(address) as talk:
            assert talk.close_code() == 1008


def test_each_account_is_a_world_of_its_own(sim: Caller) -> None:
    elsewhere = Caller(sim.url, key="sk_acct_other_1")
    with talking(signed(elsewhere)) as talk:
        conversation_id = talk.until("conversation_initiation_metadata")["conversation_id"]
        assert elsewhere.conversation(conversation_id)["status"] == "in-progress"
        assert sim.http.get(f"/v1/convai/conversations/{conversation_id}").status_code == 404
    elsewhere.http.close()


def test_conversations_take_lines_of_the_account(sim: Caller) -> None:
    sim.post("/_sim/accounts", {"default": {"concurrency": 1}})
    with talking(signed(sim)) as talk:
        talk.until("conversation_initiation_metadata")
        assert sim.get("/v1/convai/analytics/live-count")["count"] == 1
        with talking(signed(sim)) as second:
            assert second.close_code() == 3008
    eventually(lambda: sim.get("/_sim/state")["in_flight"] == 0)
    with talking(signed(sim)) as talk:
        talk.until("conversation_initiation_metadata")


def test_handshakes_fail_on_order(sim: Caller) -> None:
    sim.faults({"fault": "service_unavailable", "endpoint": "conversation.socket", "times": 1})
    with pytest.raises(InvalidStatus) as refused, talking(signed(sim)):
        pass
    assert refused.value.response.status_code == 503
    with talking(signed(sim)) as talk:
        talk.until("conversation_initiation_metadata")
