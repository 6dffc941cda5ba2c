"""Who works here and on what: workspaces, their members and roles, the nodes of their canvas, and bearer tokens."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from knox.models import AbstractAuthToken

from aispinner.core.append_only import AppendOnly
from aispinner.core.ids import new_id


class Role(models.TextChoices):
    """What a member may do. Each includes what the ones before it may."""

    VIEWER = "viewer", "Viewer: reads"
    EDITOR = "editor", "Editor: also runs campaigns and changes nodes, agents and settings"
    OWNER = "owner", "Owner: also keys, members and the workspace itself"

    def includes(self, other: Role) -> bool:
        """Whether this role may do all that `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Workspace(models.Model):
    """Everything belongs to one; nothing is ever seen from another."""

    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    members: models.ManyToManyField[Any, Any] = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="Membership", related_name="workspaces"
    )

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's role in a workspace."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "user"], name="one_membership_per_person")]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace}: {self.role}"


class NodeType(models.TextChoices):
    """The blocks of the canvas that telephony knows."""

    PBX = "ai.pbx", "PBX"
    PHONE_NUMBER = "ai.phone_number", "Phone number"
    AGENT = "ai.agent", "Agent"
    JOURNAL = "ai.journal", "Journal"
    PBX_MONITOR = "ai.pbx_monitor", "PBX monitor"


class Node(models.Model):
    """A block of a workspace's canvas, under the client's own id, and the blocks it is connected to."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="nodes")
    node_id = models.CharField(max_length=100, help_text="The client's own id, unique in its workspace.")
    type = models.CharField(max_length=20, choices=NodeType.choices)
    title = models.CharField(max_length=200, blank=True)
    config = models.JSONField(default=dict, blank=True)
    connections = models.ManyToManyField("self", symmetrical=False, related_name="connected_from", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "node_id"], name="node_id_unique_in_workspace")]

    def __str__(self) -> str:
        return self.title or self.node_id


def _new_token_id() -> str:
    return new_id("tok")


class ApiToken(AbstractAuthToken):  # type: ignore[misc]  # knox brings no types
    """A bearer token. Only its digest is kept; the token itself is shown once.

    Of knox's two other columns, `token_key` (the token's beginning, in clear) is left out, and the digest is no key:
    addresses, logs and forms say the row's id.
    """

    digest = models.CharField(max_length=128, unique=True, editable=False)
    token_key = None
    public_id = models.CharField(max_length=40, unique=True, default=_new_token_id, editable=False)
    name = models.CharField(max_length=200, blank=True, help_text="What or who uses it.")

    objects: models.Manager[ApiToken] = models.Manager()

    class Meta:
        verbose_name = "API token"

    def __str__(self) -> str:
        return self.name or self.public_id


class IdempotencyKey(models.Model):
    """A request that must not be carried out twice, and its answer; written with the work itself, kept for a day."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    path = models.CharField(max_length=200)
    body_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.TextField(default="", help_text="JSON text.")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "workspace", "key", "path"], name="one_answer_per_idempotency_key")
        ]

    def __str__(self) -> str:
        return f"{self.path} {self.created_at:%F %T}"


class Via(models.TextChoices):
    """The way somebody came in."""

    API = "api", "API"
    ADMIN = "admin", "Admin"
    PAGE = "page", "Page"
    SYSTEM = "system", "Server"


class AuditEntry(models.Model):
    """Who did what, when, and how they came in. Written by `audit.record` with the change itself, and never again.

    Whom and what it names may be deleted; the entry stays, which is why names are copied and no key is a constraint.
    """

    at = models.DateTimeField(auto_now_add=True)
    workspace = models.ForeignKey(
        Workspace, on_delete=models.DO_NOTHING, db_constraint=False, null=True, db_index=False, related_name="+"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="+"
    )
    username = models.CharField("who", max_length=150, blank=True)
    via = models.CharField(max_length=10, choices=Via.choices)
    token_id = models.CharField(max_length=40, blank=True, help_text="The API token's id, never its text.")
    token_name = models.CharField(max_length=200, blank=True)
    action = models.CharField(max_length=60, help_text="What it was done to, and what was done: `campaign.paused`.")
    object_id = models.CharField(max_length=100, blank=True, help_text="As the API calls it.")
    object_name = models.CharField(max_length=200, blank=True)
    changes = models.JSONField(default=dict, blank=True)
    request_id = models.CharField(max_length=100, blank=True, help_text="As in the log.")

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["workspace", "-id"], name="audit_of_a_workspace"),
            models.Index(fields=["object_id", "-id"], name="audit_of_an_object"),
        ]
        constraints = [AppendOnly(name="audit_is_append_only")]

    @property
    def kind(self) -> str:
        """What it was done to: `campaign`."""
        return self.action.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.action} {self.object_id}"
