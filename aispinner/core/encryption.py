"""The one place that knows which library encrypts columns (Fernet; the keys come from FERNET_KEYS, newest first)."""

from __future__ import annotations

from fernet_fields import EncryptedJSONField, EncryptedTextField

__all__ = ["EncryptedJSONField", "EncryptedTextField"]
