"""Every answer fits the provider's OpenAPI file, where ELEVENLABS_OPENAPI names one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from integrations.elevenlabs.simulator.app import ENDPOINTS
from tests.simulator.helpers import AGENT, Caller, Json, Listener, eventually, numbers

OPENAPI = os.environ.get("ELEVENLABS_OPENAPI")
pytestmark = pytest.mark.skipif(not OPENAPI, reason="ELEVENLABS_OPENAPI does not name an OpenAPI file")
NEWER_THAN_THE_FILE = {"phone_numbers.list_v2"}


@cache
def document() -> Json:
    loaded: Json = json.loads(Path(str(OPENAPI)).read_bytes())
    return loaded


def problems(schema: Json, answer: Any) -> list[str]:
    """What in `answer` does not fit `schema`, by path."""
    whole = {**schema, "components": document()["components"]}
    found = jsonschema.Draft202012Validator(whole).iter_errors(answer)
    return [f"{error.json_path}: {error.message[:300]}" for error in found]


class Checked(Caller):
    """A caller that holds every answer against the file and remembers which operations it saw."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.seen: set[str] = set()
        self.http.event_hooks["response"] = [self.check]

    def check(self, response: httpx.Response) -> None:
        if response.url.path.startswith("/_sim"):
            return
        endpoint = self.endpoint_of(response.request)
        self.seen.add(endpoint)
        if endpoint in NEWER_THAN_THE_FILE or response.status_code not in (200, 204, 422):
            return
        response.read()
        operation = self.operation_of(endpoint)
        content = operation["responses"][str(response.status_code)].get("content", {})
        if "application/json" in content:
            assert problems(content["application/json"]["schema"], response.json()) == []
        elif content:
            assert response.headers["content-type"] in content

    @staticmethod
    def endpoint_of(request: httpx.Request) -> str:
        wanted = request.url.path.split("/")
        for endpoint in ENDPOINTS:
            template = endpoint.path.split("/")
            fits = len(template) == len(wanted) and all(
                part == given or part.startswith("{") for part, given in zip(template, wanted, strict=True)
            )
            if fits and endpoint.method == request.method:
                return endpoint.name
        raise AssertionError(f"no endpoint for {request.url.path}")

    @staticmethod
    def operation_of(name: str) -> Json:
        endpoint = next(endpoint for endpoint in ENDPOINTS if endpoint.name == name)
        operation: Json = document()["paths"][endpoint.path][endpoint.method.lower()]
        return operation


@pytest.fixture
def checked(sim: Caller) -> Iterator[Checked]:
    caller = Checked(sim.url)
    yield caller
    caller.http.close()


def use_account(api: Checked, hook_url: str) -> None:
    api.get("/v1/user")
    api.get("/v1/user/subscription")
    api.attach_webhook(hook_url)
    hook = api.get("/v1/workspace/webhooks", include_usages=True)["webhooks"][0]
    path = f"/v1/workspace/webhooks/{hook['webhook_id']}"
    api.http.patch(path, json={"is_disabled": False, "name": "n", "retry_enabled": True})
    api.get("/v1/convai/settings")
    spare = {"settings": {"auth_type": "hmac", "name": "spare", "webhook_url": "https://example.com"}}
    api.http.delete(f"/v1/workspace/webhooks/{api.post('/v1/workspace/webhooks', spare)['webhook_id']}")


def use_agents(api: Checked) -> None:
    created = api.post("/v1/convai/agents/create", {"conversation_config": {}, "name": "New"})["agent_id"]
    api.http.patch(f"/v1/convai/agents/{created}", json={"name": "Newer"})
    for summary in api.get("/v1/convai/agents")["agents"]:
        api.get(f"/v1/convai/agents/{summary['agent_id']}")
    api.http.delete(f"/v1/convai/agents/{created}")
    api.get("/v1/convai/conversation/get-signed-url", agent_id=AGENT)
    api.get("/v1/convai/conversation/get_signed_url", agent_id=AGENT)


def use_phone_numbers(api: Checked) -> str:
    """The id of a Twilio number that stays."""
    numbers_path = "/v1/convai/phone-numbers"
    trunk = {"inbound_trunk_config": {}, "outbound_trunk_config": {"address": "sip.example.com"}}
    sip = {"provider": "sip_trunk", "phone_number": "+15550100131", "label": "S", **trunk}
    twilio = {"provider": "twilio", "phone_number": "+15550100132", "label": "T", "sid": "AC1", "token": "t"}
    sip_id, twilio_id = (api.post(numbers_path, body)["phone_number_id"] for body in (sip, twilio))
    for number_id in (sip_id, twilio_id):
        api.http.patch(f"{numbers_path}/{number_id}", json={"agent_id": AGENT})
        api.get(f"{numbers_path}/{number_id}")
    api.get(numbers_path)
    api.get("/v1/convai/v2/phone-numbers")
    api.get(f"/v1/convai/agents/{AGENT}")
    api.http.delete(f"{numbers_path}/{sip_id}")
    return str(twilio_id)


def use_calls(api: Checked, twilio_number_id: str) -> None:
    answered, voicemail, no_answer, busy, failed, stuck = numbers(6, start=900)
    outcomes = ("answered", "voicemail", "no_answer", "busy", "failed", "stuck")
    called = (answered, voicemail, no_answer, busy, failed, stuck)
    api.script(**{number: {"outcome": outcome} for number, outcome in zip(called, outcomes, strict=True)})
    batches = [
        api.submit([answered, voicemail, no_answer, busy, failed]),
        api.submit([answered, voicemail, no_answer, busy, failed], agent_phone_number_id=twilio_number_id),
    ]
    live = api.call(stuck)["conversation_id"]
    body = {"agent_id": AGENT, "agent_phone_number_id": twilio_number_id, "to_number": answered}
    api.post("/v1/convai/twilio/outbound-call", body)
    for batch_id in batches:
        api.get(f"/v1/convai/batch-calling/{batch_id}")
        for one in api.finished(batch_id)["recipients"]:
            api.settled(one["conversation_id"])
    eventually(lambda: api.conversation(live)["status"] == "in-progress")
    api.get("/v1/convai/analytics/live-count")
    api.get("/v1/convai/batch-calling/workspace", limit=1)
    for mode in ("include", "exclude"):
        listed = api.get("/v1/convai/conversations", summary_mode=mode)["conversations"]
    done = next(item["conversation_id"] for item in listed if item["status"] == "done")
    api.http.get(f"/v1/convai/conversations/{done}/audio")
    api.post(f"/v1/convai/batch-calling/{batches[0]}/retry")
    api.post(f"/v1/convai/batch-calling/{batches[0]}/cancel")
    api.http.delete(f"/v1/convai/batch-calling/{batches[1]}")
    api.http.delete(f"/v1/convai/conversations/{done}")


def test_every_answer_fits_the_file(checked: Checked, listener: Listener) -> None:
    use_account(checked, listener.url)
    use_agents(checked)
    use_calls(checked, use_phone_numbers(checked))
    checked.http.post("/v1/convai/batch-calling/submit", json={})
    assert checked.seen == {endpoint.name for endpoint in ENDPOINTS}
    model = {"$ref": "#/components/schemas/GetConversationResponseModel"}
    told = [json.loads(heard.body) for heard in listener.heard]
    told = [payload["data"] for payload in told if payload["type"] == "post_call_transcription"]
    assert told
    assert [problem for data in told for problem in problems(model, data)] == []


def test_misfits_are_seen() -> None:
    assert problems({"$ref": "#/components/schemas/GetLiveCountResponse"}, {"count": "three"})
