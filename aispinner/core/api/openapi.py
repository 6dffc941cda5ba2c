"""What the descriptions of all endpoints have in common: refusals, the bearer token, parameters, tags and examples.

`schema.py` beside the views of each floor describes them, and is imported when the document is asked for: views hold
no documentation. drf-spectacular puts the document together.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema_view
from rest_framework import serializers
from rest_framework.views import APIView

from aispinner.core.access import LONGEST_NODE_ID
from aispinner.core.api.fields import StrictSerializer

CALLS = "Calls & Campaigns"
JOURNAL = "Journal"
REALTIME = "Realtime"
SETTINGS = "Settings"
PHONE_PROVIDER = "Phone Provider Configuration"
ELEVENLABS = "ElevenLabs Integration"
AGENTS = "Agents"
WEBCALL = "WebCall (Browser-side Voice)"
WORKSPACES = "Workspaces"
AUTHENTICATION = "Authentication"
HEALTH = "Health"

NOT_OWNER = "You are in the workspace, but not as an owner."
NOT_EDITOR = "You are in the workspace, but only as a viewer."
NO_WORKSPACE = "You are in no such workspace."
NO_NODE = "You are in no such workspace, or it has no such node."
LIVE_EVENTS = """Calls, campaigns and events as they happen, without asking again and again.

Open the WebSocket `/ws/events` with your token: in the Authorization header, as the subprotocols `bearer, <token>`, \
or by a ticket in the address. A page's origin must be the server's own, or one of `CORS_ALLOWED_ORIGINS`. Then send \
`{"type": "subscribe", "workspace_id": 1, "since_version": 12350}`, for as many workspaces as you like (50 at most). \
Left out, `since_version` is now; else nothing is missing, however long you were away: it is the `max_version` of a \
journal, or the `version` of the last message that you had.

`{"type": "subscribed", "workspace_id": 1, "version": 12350}` answers, and from then on, in version order: \
`journal.new` and `journal.updated` with `call` (as in the journal), `run.updated` with `run` (as in a campaign), and \
`call.event` with `event` (as in events), each with `workspace_id` and `version`. Every event comes once; of calls and \
campaigns always the last version, while those in between may be left out. Take `journal.new` as "put it in", as you \
would `journal.updated`: after a pause, a call may be new twice. With `"batch": true` in `subscribe`, messages of the \
same moment share a frame, one a line: for clients to whom much is told.

`unsubscribe` and `ping` (answered with `pong`) are the other two things to send. Every 20 seconds a `heartbeat` says \
how far each workspace has got (`versions`); where none comes for 45, connect again. What cannot be done is answered \
with `error` (`detail`, perhaps `errors`). `unsubscribed` (`reason`) says that you are no longer a member.

Before the server closes the socket it sends `closing` with `code` and `reason`, also in the closing frame: `1012` \
it restarts and `4408` you read too slowly (connect again, and resume), `1013` something is away, `4401` the token is \
not, or no longer, valid, `4403` the origin is not allowed, `4429` too many sockets or messages, `1009` too long a \
message."""
TAGS = (
    (CALLS, "Start campaigns, follow them, pause, resume and cancel them."),
    (JOURNAL, "Call history with transcripts, summaries and recordings."),
    (REALTIME, LIVE_EVENTS),
    (SETTINGS, "ARI and SIP defaults for Custom Voice."),
    (PHONE_PROVIDER, "The inbound and outbound carrier of an `ai.phone_number` node."),
    (ELEVENLABS, "API keys, and the phone numbers that they show."),
    (AGENTS, "ElevenLabs agents: list, adopt, compare and try them."),
    (WEBCALL, "In-browser WebRTC bridging to an adopted agent, as the page “Try this agent” does it."),
    (WORKSPACES, "Workspaces, who is in them, and the nodes of their canvas."),
    (AUTHENTICATION, "Bearer tokens: make, list and revoke them."),
    (HEALTH, "For load balancers and monitoring."),
)


class Error(serializers.Serializer[Any]):
    """The one shape of every refusal."""

    detail = serializers.CharField(help_text="A sentence that says what is wrong, and what to do about it.")
    errors = serializers.DictField(  # type: ignore[assignment]  # a field, not the serializer's own
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="By field, what is wrong with it; places in lists count from 0 (`numbers.3`).",
    )


def describe(view: type[APIView], **methods: Any) -> None:
    """Annotate a view: `get=extend_schema(…)` and so on."""
    extend_schema_view(**methods)(view)


def refusals(sentences: Mapping[int, str]) -> dict[int, OpenApiResponse]:
    """The refusals that are an operation's own, as responses; those that every operation has come by themselves."""
    return {status: OpenApiResponse(Error, description=sentence) for status, sentence in sentences.items()}


def sent(value: Any, name: str = "Request") -> OpenApiExample:
    """An example of a request body."""
    return OpenApiExample(name, value=value, request_only=True)


def answered(value: Any, name: str = "Answer", *, status: int = 200, media_type: str = "application/json") -> Any:
    """An example of an answer."""
    return OpenApiExample(name, value=value, response_only=True, status_codes=[status], media_type=media_type)


def query(name: str, schema: Mapping[str, Any], description: str, *, example: Any = None) -> OpenApiParameter:
    """A parameter of the query, which may always be left out."""
    return OpenApiParameter(name, type=dict(schema), description=description, examples=_such_as(example))


def words(name: str, allowed: list[str], description: str) -> OpenApiParameter:
    """A parameter of the query that takes several words with commas between."""
    return OpenApiParameter(
        name, type=str, many=True, enum=allowed, explode=False, style="form", description=description
    )


def in_path(name: str, schema: Mapping[str, Any], description: str, *, example: Any) -> OpenApiParameter:
    """A part of the path."""
    return OpenApiParameter(
        name,
        type=dict(schema),
        location=OpenApiParameter.PATH,
        description=description,
        examples=_such_as(example),
    )


def _such_as(example: Any) -> list[OpenApiExample]:
    return [] if example is None else [OpenApiExample("Example", value=example)]


def answered_header(name: str, description: str, *, statuses: list[int]) -> OpenApiParameter:
    """A header of an answer."""
    return OpenApiParameter(
        name, type=str, location=OpenApiParameter.HEADER, response=list(statuses), description=description
    )


ID: Mapping[str, Any] = MappingProxyType({"type": "integer", "format": "int64", "minimum": 0})
NODE_ID: Mapping[str, Any] = MappingProxyType(
    {"type": "string", "minLength": 1, "maxLength": LONGEST_NODE_ID, "pattern": "^[^/]+$"}
)
PUBLIC_ID: Mapping[str, Any] = MappingProxyType(
    {"type": "string", "minLength": 1, "maxLength": 40, "pattern": "^[^/]+$"}
)
WORKSPACE_PATH = in_path("workspace_id", ID, "The workspace's id, as in `GET /workspaces`.", example=1)
NODE_PATH = in_path("node_id", NODE_ID, "The node's id, as the client named it.", example="pbx_abc123")
PHONE_NODE_PATH = in_path("node_id", NODE_ID, "An `ai.phone_number` node.", example="phone_abc")
AGENT_NODE_PATH = in_path("node_id", NODE_ID, "An `ai.agent` node.", example="agent_xyz")
WORKSPACE_QUERY = query(
    "workspace_id",
    ID,
    "The workspace. Left out, it is your only workspace that holds the node, else the one you have been in longest.",
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    type={"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    location=OpenApiParameter.HEADER,
    description=(
        "Any text of your own. The same request under the same key within 24 hours gets the same answer again and is "
        "carried out once; another body under the same key is answered 409."
    ),
)
IDEMPOTENT_REPLAYED = answered_header(
    "Idempotent-Replayed", "`true` where the answer was given before.", statuses=[200]
)

# What any operation may answer: status, name of the component, description.
_ALWAYS = (
    (406, "NotAcceptable", "The Accept header takes nothing that can be answered here."),
    (429, "TooManyRequests", "Too many requests; `Retry-After` says when to come back."),
    (503, "Unavailable", "The database or the broker is away. Try again in a moment."),
)
_WITH_TOKEN = ((401, "Unauthorized", "No token was sent, or it is mistyped, revoked or expired."),)
_WITH_BODY = (
    (400, "Malformed", "The body is not valid JSON."),
    (413, "TooLarge", "The body is larger than 32 MB."),
    (415, "UnsupportedMediaType", "The body's Content-Type is not `application/json`."),
)
_WITH_INPUT = ((422, "Invalid", "A value is wrong; `errors` says which and why."),)
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds to wait."}}
_CHALLENGE = {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "`Bearer`"}}
_HEADERS: Mapping[int, Mapping[str, Any]] = {401: _CHALLENGE, 429: _RETRY_AFTER, 503: _RETRY_AFTER}


class Schema(AutoSchema):
    """Our views' descriptions: the serializers that bodies are read with are named so, and refuse unknown fields."""

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        """The component's name."""
        if isinstance(serializer, StrictSerializer):
            return f"{type(serializer).__name__.removesuffix('Serializer')}Body"
        return str(super().get_serializer_name(serializer, direction))

    def _postprocess_serializer_schema(self, schema: Any, serializer: Any, direction: Any) -> Any:
        if isinstance(serializer, StrictSerializer):
            schema["additionalProperties"] = False
        return super()._postprocess_serializer_schema(schema, serializer, direction)  # type: ignore[no-untyped-call]


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """How BearerAuthentication is described."""

    target_class = "aispinner.core.auth.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """The security scheme."""
        return {"type": "http", "scheme": "bearer", "description": "A token from `POST /auth/token`."}


def complete(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """drf-spectacular's hook for the finished document: what every operation may answer, HEAD, and the health pages."""
    for operations in result["paths"].values():
        for method, operation in operations.items():
            _add_common_refusals(operation, reads_body=method in {"post", "put", "patch"})
        if "audio/mpeg" in str(operations.get("get", {}).get("responses")):
            operations["get"]["responses"].pop("406")  # players accept what they like
            operations["head"] = _head_of(operations["get"])
    paths = {**result["paths"], **_health()}
    result["paths"] = {path: paths[path] for path in sorted(paths, key=lambda path: _place(path, paths[path]))}
    _tidy(result["components"]["schemas"])
    result["tags"] = [{"name": name, "description": description} for name, description in TAGS]
    result["components"]["responses"] = {
        name: {"description": description, **_headers(status), "content": _ERROR}
        for status, name, description in (*_WITH_TOKEN, *_WITH_BODY, *_WITH_INPUT, *_ALWAYS)
    }
    result["components"]["securitySchemes"]["mediaToken"] = {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "A bearer token, or the single-call token in `audio_url`, for players that cannot send headers.",
    }
    return result


def _tidy(components: Mapping[str, dict[str, Any]]) -> None:
    """Remove drf-spectacular's notes to itself."""
    for component in components.values():
        for schema in component.get("properties", {}).values():
            schema.pop("x-spec-enum-id", None)


_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}


def _headers(status: int) -> dict[str, Any]:
    return {"headers": dict(_HEADERS[status])} if status in _HEADERS else {}


def _place(path: str, operations: Mapping[str, Any]) -> tuple[int, str]:
    """By section; in it by path where several floors have part of it, else as in the list of addresses."""
    tag = next(iter(operations.values()))["tags"][0]
    sections = [name for name, _ in TAGS]
    return sections.index(tag), path if tag in {ELEVENLABS, WORKSPACES} else ""


def _add_common_refusals(operation: dict[str, Any], *, reads_body: bool) -> None:
    common = list(_ALWAYS)
    if operation.get("security"):
        common += _WITH_TOKEN
    if reads_body:
        common += _WITH_BODY
    if reads_body or operation.get("parameters"):
        common += _WITH_INPUT
    responses = operation["responses"]
    for status, name, _ in common:
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{name}"})
    for status in _HEADERS:
        if "$ref" not in responses.get(str(status), {"$ref": ""}):
            responses[str(status)].update(_headers(status))
    for status, response in responses.items():
        if response.get("description") in {"", "No response body"}:
            response["description"] = "Done." if status == "204" else HTTPStatus(int(status)).phrase
    operation["responses"] = dict(sorted(responses.items()))


def _head_of(operation: Mapping[str, Any]) -> dict[str, Any]:
    """The same without bodies."""
    responses = {
        status: {key: value for key, value in response.items() if key != "content"}
        for status, response in operation["responses"].items()
        if status not in {"206", "416"}
    }
    parameters = [each for each in operation["parameters"] if each["name"] not in {"Range", "If-Range"}]
    return {
        **operation,
        "operationId": f"{operation['operationId']}_head",
        "summary": f"{operation['summary']}: headers only",
        "description": "The headers that GET would answer with, and no body.",
        "parameters": parameters,
        "responses": responses,
    }


def _health() -> dict[str, Any]:
    """The two pages that are not views of the REST framework: they must answer when little else does."""
    check = {
        "type": "object",
        "properties": {
            "ok": {"type": "boolean"},
            "took_ms": {"type": "number"},
            "age_sec": {"type": ["number", "null"], "description": "Since the last sign of life."},
        },
        "required": ["ok"],
    }
    parts = ("database", "broker", "worker", "beat")
    ready = {
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": ["ready", "not ready"]},
            "checks": {
                "type": "object",
                "properties": dict.fromkeys((*parts, "asterisk"), check),
                "required": list(parts),
            },
        },
        "required": ["status", "checks"],
    }
    up = {"type": "object", "properties": {"status": {"type": "string", "enum": ["ok"]}}, "required": ["status"]}
    return {
        "/healthz": _page("healthz", "Is This Process Up", "200 as long as requests are being answered.", {200: up}),
        "/readyz": _page(
            "readyz",
            "Is Everything There",
            "Whether the database, the broker, a worker and beat are there; 503 while one of them is away. "
            "`asterisk` is told of where the holder of a PBX has run lately, and does not decide.",
            {200: ready, 503: ready},
        ),
    }


def _page(name: str, summary: str, description: str, answers: Mapping[int, Any]) -> dict[str, Any]:
    responses = {
        str(status): {"description": HTTPStatus(status).phrase, "content": {"application/json": {"schema": schema}}}
        for status, schema in answers.items()
    }
    operation = {"operationId": name, "summary": summary, "description": description, "tags": [HEALTH], "security": []}
    return {"get": {**operation, "responses": responses}}
