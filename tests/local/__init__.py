"""`./dev` itself: its services, its supervisor, its first steps on a machine."""

from __future__ import annotations
