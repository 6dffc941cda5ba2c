"""One running simulator: the world, its faults, the notifier and the player, and how they start over."""

from __future__ import annotations

import dataclasses
from typing import Any

import orjson

from .config import SimulatorConfig
from .faults import Faults
from .player import Player
from .sockets import Sockets
from .webhooks import Notifier
from .world import Webhook, World

Json = dict[str, Any]


class Simulator:
    """Holds the parts that a reset replaces together."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self._build()
        self._load()

    def _build(self) -> None:
        self.world = World(self.config)
        self.faults = Faults(self.config.seed)
        self.notifier = Notifier(self.world, self.faults)
        self.player = Player(self.world, self.faults, self.notifier)
        self.sockets = Sockets()

    def reset(self, **changes: Any) -> None:
        """Start the world again, with what is given changed. Nothing of the old one plays on."""
        self.close()
        self.config = dataclasses.replace(self.config, **changes)
        self._build()
        self.world.note("reset")
        self.changed()

    def close(self) -> None:
        self.sockets.close()
        self.player.close()
        self.notifier.close()
        self.world.close()

    def changed(self) -> None:
        """Agents, numbers, webhooks or settings changed: keep them where a state file was asked for."""
        if self.config.state is None:
            return
        kept = {
            name: {
                "agents": account.agents,
                "phone_numbers": account.phone_numbers,
                "webhooks": [dataclasses.asdict(webhook) for webhook in account.webhooks.values()],
                "settings": account.settings,
                "tier": account.tier,
                "created_at": account.created_at,
            }
            for name, account in self.world.accounts.items()
        }
        fresh = self.config.state.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_bytes(orjson.dumps({"accounts": kept}))
        fresh.replace(self.config.state)

    def _load(self) -> None:
        if self.config.state is None or not self.config.state.exists():
            return
        for name, kept in orjson.loads(self.config.state.read_bytes())["accounts"].items():
            account = self.world.account(name)
            account.agents, account.phone_numbers = kept["agents"], kept["phone_numbers"]
            account.webhooks = {one["webhook_id"]: Webhook(**one) for one in kept["webhooks"]}
            account.settings, account.created_at = kept["settings"], kept["created_at"]
            account.tier = kept["tier"]
