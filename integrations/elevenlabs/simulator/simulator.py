"""One running simulator: the world, its faults, the notifier and the player, and how they start over."""

from __future__ import annotations

import dataclasses
from typing import Any

import orjson

from .config import SimulatorConfig
from .diary import Diary
from .faults import Faults, Rule
from .keeping import restore
from .player import Player
from .sockets import Sockets
from .webhooks import Notifier
from .world import Webhook, World

Json = dict[str, Any]


class Simulator:
    """Holds the parts that a reset replaces together."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self.diary = Diary(config.state.with_suffix(".diary") if config.state else None)
        self._build()
        self._load()

    def _build(self) -> None:
        self.world = World(self.config)
        self.faults = Faults(self.config.seed, self.diary)
        self.notifier = Notifier(self.world, self.faults, self.diary)
        self.player = Player(self.world, self.faults, self.notifier, self.diary)
        self.sockets = Sockets()

    def reset(self, **changes: Any) -> None:
        """Start the world again, with what is given changed. Nothing of the old one plays on."""
        self.close()
        self.diary.forget()
        self.config = dataclasses.replace(self.config, **changes)
        self._build()
        self.world.note("reset")
        self.changed()

    def resume(self) -> None:
        """Go on where an earlier life was ended, however it was; in the event loop that this one plays in."""
        things = restore(self.world, self.diary)
        if rules := things.get("orders", {}).get("rules"):
            self.faults.replace([Rule(**rule) for rule in rules])
        self.notifier.resume(things)
        self.player.resume()

    def close(self) -> None:
        self.diary.close()
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
