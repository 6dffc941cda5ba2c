"""An agent's end of the conversation socket that says what a test tells it to, and keeps what it heard."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from integrations.elevenlabs.conversation_events import Metadata
from integrations.elevenlabs.live_conversation import LiveConversation, open_live_conversation

Json = dict[str, Any]


class ScriptedAgent:
    """`heard` is what the person said, as it came; `frames` everything else."""

    def __init__(self, *, speaks: str = "pcm_16000", hears: str = "pcm_16000") -> None:
        self.speaks, self.hears = speaks, hears
        self.heard = bytearray()
        self.frames: list[Json] = []
        self.gone = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self.url = ""
        self._socket: ServerConnection | None = None

    async def connect(self) -> tuple[LiveConversation, Metadata]:
        """As a session gets at its agent."""
        return await open_live_conversation(signed_url=self.url, user_id="call_1", within=5)

    async def talk(self, socket: ServerConnection) -> None:
        self._socket = socket
        self.frames.append(json.loads(await socket.recv()))
        metadata = {
            "conversation_id": "conv_1",
            "agent_output_audio_format": self.speaks,
            "user_input_audio_format": self.hears,
        }
        await self.send("conversation_initiation_metadata", **metadata)
        with suppress(ConnectionClosed):
            async for message in socket:
                await self.reads.wait()
                frame = json.loads(message)
                if "user_audio_chunk" in frame:
                    self.heard += base64.b64decode(frame["user_audio_chunk"])
                else:
                    self.frames.append(frame)
        self.gone.set()

    async def send(self, kind: str, **payload: Any) -> None:
        assert self._socket is not None
        name = kind if kind == "client_tool_call" else f"{kind.replace('user_transcript', 'user_transcription')}_event"
        await self._socket.send(json.dumps({"type": kind, name: payload}))

    async def say(self, sound: bytes, *, event_id: int) -> None:
        await self.send("audio", audio_base_64=base64.b64encode(sound).decode(), event_id=event_id)

    async def close(self, code: int = 1000) -> None:
        assert self._socket is not None
        await self._socket.close(code)


@asynccontextmanager
async def scripted_agent(**formats: str) -> AsyncIterator[ScriptedAgent]:
    agent = ScriptedAgent(**formats)
    async with serve(agent.talk, "127.0.0.1", 0, max_size=None) as server:
        agent.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        yield agent
