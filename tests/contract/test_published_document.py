"""The published document, walked: each request sent as it is printed, each response block found in the answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests

from aispinner.apidocs.document import document
from tests.contract.document import Answer, Request, read_document
from tests.stack import Stack, follow
from tests.voice.browser import talked_in_browser

pytestmark = pytest.mark.e2e

BUILT, ANSWERS = read_document()
START = "POST /telephony/dialer/start"
ADD_KEY = "POST /integrations/elevenlabs/keys"
JOURNAL = "GET /telephony/journal"
NODE = "phone_contract"  # the document deletes its phone provider, so it is none that others need

# What fills which placeholder: by the beginning of the path, the longest first. `<token>` is the demo user's.
FILLED: Mapping[str, Mapping[str, str]] = {
    "/telephony/runs/": {"{call_id}": "campaign"},
    "/telephony/calls/": {"{call_id}": "call"},
    "/webcall/": {"{call_id}": "web_call"},
    "/telephony/journal/call/": {"{call_id}": "call"},
    "/telephony/journal/": {"{node_id}": "pbx_abc123"},
    "/workspaces/": {"{ws_id}": "1", "{node_id}": NODE},
    "/integrations/elevenlabs/keys/": {"{id}": "key"},
}
EARLIER = ("campaign", "call", "key", "web_call")  # ids that earlier answers gave
BODIES = {f"POST /webcall/{what}": {"call_id": "web_call"} for what in ("connected", "answered")}  # none is printed


class Walk:
    """The document's requests, sent one after the other; what was answered to each."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.known = {"<token>": stack.token, "web_call": talked_in_browser(stack)}
        self.answers: dict[str, requests.Response] = {}

    def send(self, request: Request) -> None:
        """Send a request as it is printed, and remember what later ones need of the answer."""
        headers = {name: self.fill(value) for name, value in request.headers.items()}
        if request.target.startswith("/webcall/"):  # printed as a list of addresses
            headers["Authorization"] = f"Bearer {self.stack.token}"
        answer = requests.request(
            request.method,
            self.stack.address + self.fill(request.target),
            headers=headers,
            json=request.body or {name: self.known[id_] for name, id_ in BODIES.get(request.name, {}).items()} or None,
            timeout=60,
        )
        self.answers[str(request)] = answer
        if request.name == START and answer.ok:
            self.known["campaign"] = answer.json()["call_id"]
            self.known["call"] = self._finished_call()
        if request.name == ADD_KEY and answer.ok:
            self.known["key"] = str(answer.json()["id"])

    def fill(self, text: str) -> str:
        """`text` with something in place of every placeholder."""
        text = text.replace("<token>", self.stack.token)
        for beginning, values in FILLED.items():
            if text.startswith(beginning):
                for placeholder, value in values.items():
                    text = text.replace(placeholder, self.known[value] if value in EARLIER else value)
        return text

    def _finished_call(self) -> str:
        """Wait for the campaign; a call of it with all that a call can have."""
        campaign = self.known["campaign"]
        list(follow(self.stack, campaign, until={"completed"}))
        for _ in follow(self.stack, campaign, until={"never"}):
            for call in self.stack.get("/telephony/journal", parent_call_id=campaign)["calls"]:
                if call["has_audio"] and call["summary"] and call["transcript"]:
                    return str(call["call_id"])
        raise AssertionError("unreachable: follow() gives up by itself")


@pytest.fixture(scope="module")
def walk(stack: Stack) -> Iterator[Walk]:
    """The walk, over the demo data and a phone-number node with a provider."""
    node = {"node_id": NODE, "type": "ai.phone_number", "connections": [{"to": "agent_abc"}]}
    assert stack.request("POST", "/workspaces/1/nodes", json=node).status_code == 201
    provider = next(request for request in BUILT if request.method == "PUT" and "/nodes/" in request.target)
    assert stack.request("PUT", f"/workspaces/1/nodes/{NODE}/phone-provider", json=provider.body).status_code == 200
    walk = Walk(stack)
    for request in BUILT:
        walk.send(request)
    yield walk
    assert stack.request("DELETE", f"/workspaces/1/nodes/{NODE}").status_code == 204


def test_the_document_is_read_whole() -> None:
    assert len(BUILT) == 26
    assert len(ANSWERS) == 3


@pytest.mark.parametrize("request_", BUILT, ids=str)
def test_each_request_works_as_printed(walk: Walk, request_: Request) -> None:
    answer = walk.answers[str(request_)]
    assert answer.status_code == (204 if request_.method == "DELETE" else 200), answer.text
    if "audio" in request_.target:
        assert answer.headers["Content-Type"] == "audio/mpeg"
        assert answer.content[:3] == b"ID3" or answer.content[0] == 0xFF
    elif request_.method != "DELETE":
        assert isinstance(answer.json(), dict)


@pytest.mark.parametrize("printed", [each for each in ANSWERS if "detail" not in each.value], ids=lambda each: each.to)
def test_each_printed_response_is_found_in_the_answer(walk: Walk, printed: Answer) -> None:
    assert list(differences(printed.value, walk.answers[str(printed.to)].json())) == []


def test_per_node_journals_have_the_same_shape(walk: Walk) -> None:
    printed = next(each.value for each in ANSWERS if each.to.name == JOURNAL)
    of_node, newer = [request for request in BUILT if request.name == "GET /telephony/journal/{node_id}"]
    assert list(differences(printed, walk.answers[str(of_node)].json())) == []
    assert walk.answers[str(newer)].json().keys() >= printed.keys()
    one = next(request for request in BUILT if "/journal/call/" in request.target)
    assert list(differences(printed["calls"][0], walk.answers[str(one)].json())) == []


def test_only_the_last_four_characters_of_a_key_are_returned(walk: Walk) -> None:
    for request in BUILT:
        if request.target.startswith("/integrations/elevenlabs/keys"):
            assert "sk_" not in walk.answers[str(request)].text


def test_errors_have_the_printed_shape_and_the_printed_codes(walk: Walk) -> None:
    printed = next(each.value for each in ANSWERS if "detail" in each.value)
    start = next(request.body for request in BUILT if request.name == START)
    long = {**start, "numbers": [f"+1555555{n:04}" for n in range(200)], "max_concurrent": 1}
    running = walk.stack.post("/telephony/dialer/start", long)["call_id"]
    refused = {
        404: walk.stack.request("GET", "/telephony/runs/camp_nowhere"),
        409: walk.stack.request("POST", "/telephony/dialer/start", json=start),
        422: walk.stack.request("POST", "/telephony/dialer/start", json={**start, "numbers": ["nonsense"]}),
    }
    walk.stack.post(f"/telephony/runs/{running}/cancel")
    assert {code: answer.status_code for code, answer in refused.items()} == {code: code for code in refused}
    for answer in refused.values():
        assert list(differences(printed, answer.json())) == []


@pytest.mark.parametrize("request_", BUILT, ids=str)
def test_the_description_has_each_printed_request(request_: Request) -> None:
    operation = described(request_)
    assert operation["security"][0] == {"bearer": []}
    if request_.body is not None:
        content = operation["requestBody"]["content"]["application/json"]
        assert request_.body in [example["value"] for example in content["examples"].values()]
    query = request_.target.partition("?")[2]
    named = {each["name"] for each in operation.get("parameters", [])} | {"token"}  # the token is a security scheme
    assert {pair.partition("=")[0] for pair in query.split("&") if pair} <= named


@pytest.mark.parametrize("printed", [each for each in ANSWERS if "detail" not in each.value], ids=lambda each: each.to)
def test_the_description_gives_the_printed_answers(printed: Answer) -> None:
    content = described(printed.to)["responses"]["200"]["content"]["application/json"]
    assert any(holds(example["value"], printed.value) for example in content["examples"].values())


def described(request: Request) -> Any:
    """The operation of a printed request in the OpenAPI document."""
    plain = re.sub(r"\{\w+\}", "{}", request.target.partition("?")[0])
    paths = {re.sub(r"\{\w+\}", "{}", path): operations for path, operations in document()["paths"].items()}
    return paths[plain][request.method.lower()]


def holds(value: Any, printed: Any) -> bool:
    """Whether all that is printed stands in `value`, word by word."""
    if isinstance(printed, dict):
        return all(name in value and holds(value[name], each) for name, each in printed.items())
    if isinstance(printed, list):
        return all(holds(mine, each) for mine, each in zip(value, printed, strict=True))
    return bool(value == printed)


def differences(printed: Any, answer: Any, place: str = "") -> Iterator[str]:
    """Where `answer` lacks a printed key, or has something of another type. Of a list, one item must have it all."""
    if isinstance(printed, dict):
        if not isinstance(answer, dict):
            yield f"{place}: no object"
            return
        for name, each in printed.items():
            if name in answer:
                yield from differences(each, answer[name], f"{place}.{name}")
            else:
                yield f"{place}.{name}: missing"
    elif isinstance(printed, list):
        yield from _differences_in_list(printed, answer, place)
    elif not _same_kind(printed, answer):
        yield f"{place}: {answer!r} is not like {printed!r}"


def _differences_in_list(printed: list[Any], answer: Any, place: str) -> Iterator[str]:
    if not isinstance(answer, list) or not answer:
        yield f"{place}: no list with something in it"
        return
    for position, item in enumerate(answer):  # all keys are in every item, even where there is nothing to say
        if isinstance(printed[0], dict) and not printed[0].keys() <= item.keys():
            yield f"{place}.{position}: lacks {sorted(printed[0].keys() - item.keys())}"
    found = [list(differences(printed[0], item, f"{place}.{position}")) for position, item in enumerate(answer)]
    yield from min(found, key=len)


def _same_kind(printed: Any, answer: Any) -> bool:
    if isinstance(printed, bool) or isinstance(answer, bool):
        return type(printed) is type(answer)
    if isinstance(printed, (int, float)):
        return isinstance(answer, (int, float))
    if not isinstance(answer, str):
        return False
    prefix = re.match(r"[a-z]+_", printed)  # camp_, call_, conv_
    if re.match(r"\d{4}-\d\d-\d\dT", printed):
        return re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\Z", answer) is not None
    return answer.startswith(prefix[0]) if prefix else bool(answer)
