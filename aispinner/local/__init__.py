"""The project on one machine: `./dev up`, `./dev test` and their helpers, with databases of their own."""

from __future__ import annotations
