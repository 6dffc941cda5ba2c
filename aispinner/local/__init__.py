"""The project on one machine: `./dev up`, `./dev test` and their helpers, with a PostgreSQL and a Valkey of their own."""

from __future__ import annotations
