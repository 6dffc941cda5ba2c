"""What requests are read with: a field that is misspelt is refused, not ignored, and text is not made of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rest_framework import serializers

from aispinner.core.access import LONGEST_NODE_ID
from aispinner.core.models import NodeType, Role
from aispinner.core.rendering import dump_json
from aispinner.core.voice_stack import VoiceStack

LARGEST_CONFIG = 64 * 1024  # bytes of JSON
MOST_NAMED = 20  # unknown fields, in one answer


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know. `shown_only`: those of our own answers, so that one can be sent back."""

    shown_only: ClassVar[Sequence[str]] = ()

    def to_internal_value(self, data: Any) -> Any:
        """The values; ValidationError with everything that is wrong."""
        errors: dict[str, Any] = {}
        value: Any = None
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            errors |= error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
        if isinstance(data, Mapping):
            unknown = [str(name) for name in data if name not in self.fields and name not in self.shown_only]
            sentence = f"There is no such field here; known are {', '.join(self.fields)}."
            errors |= {name[:100]: [sentence] for name in unknown[:MOST_NAMED]}
        if errors:
            raise serializers.ValidationError(errors)
        return value


class TextField(serializers.CharField):
    """Text, and nothing that could be made into text."""

    default_error_messages = {
        "required": "This is needed.",
        "null": "Takes text.",
        "blank": "Takes text.",
        "invalid": "Takes text.",
        "max_length": "Takes at most {max_length} characters.",
    }

    def to_internal_value(self, data: Any) -> str:
        """The text, without spaces around it."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class WordField(serializers.ChoiceField):
    """One of a few words."""

    def to_internal_value(self, data: Any) -> Any:
        """The word."""
        if not isinstance(data, str) or data not in self.choices:
            raise serializers.ValidationError(f"Takes one of {', '.join(map(str, self.choices))}.")
        return data


class RoleField(WordField):
    """A member's role."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=Role.choices, **options)


class NodeTypeField(WordField):
    """A node's type."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=NodeType.choices, **options)


class NodeIdField(TextField):
    """A node's id: the client's own, such that it can stand in an address."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, max_length=LONGEST_NODE_ID, **options)

    def to_internal_value(self, data: Any) -> str:
        """The id as it came."""
        value = super().to_internal_value(data)
        if not value.isprintable() or "/" in value or value != value.strip() or value in {".", ".."}:
            raise serializers.ValidationError(
                f"Takes 1 to {LONGEST_NODE_ID} printable characters, without a slash, and without spaces around them."
            )
        return value


class ConfigField(serializers.DictField):
    """A node's configuration. It is the client's, but for `voice_stack`, which says what calls are placed through."""

    default_error_messages = {"not_a_dict": "Takes an object.", "null": "Takes an object; {{}} empties it."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """The object as it came."""
        value: dict[str, Any] = super().to_internal_value(data)
        if len(dump_json(value)) > LARGEST_CONFIG:
            raise serializers.ValidationError(f"Takes at most {LARGEST_CONFIG // 1024} KB of JSON.")
        if value.get("voice_stack") not in [None, *VoiceStack.values]:
            raise serializers.ValidationError(
                {"voice_stack": [f"Takes one of {', '.join(VoiceStack.values)}, or nothing."]}
            )
        return value
