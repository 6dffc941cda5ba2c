"""The agents and the phone number that every account of the simulator starts with."""

from __future__ import annotations

import hashlib
from typing import Any

from .agent_defaults import CLIENT_EVENTS, build_agent, system_tool

Json = dict[str, Any]

_PROMPT = """# Personality
You are Ava, a friendly and efficient voice assistant of Northwind Services. You speak clearly and briefly.

# Goal
Depending on the campaign you confirm appointments, announce deliveries, ask three survey questions, offer a renewal
or remind about a payment. Confirm that you speak with {{name}} before you give any detail.

# Guardrails
Never promise discounts that were not given to you. Never ask for card numbers. If the person asks to be taken off
the list, apologise, confirm it and end the call. If a machine answers, leave one short message.

# Tools
Use `book_appointment` once a time was agreed. Use `end_call` when the conversation is over."""

_BOOK_APPOINTMENT: Json = {
    "type": "webhook",
    "name": "book_appointment",
    "description": "Book or move the appointment once a day and a time were agreed.",
    "response_timeout_secs": 20,
    "disable_interruptions": False,
    "interruption_mode": "allow",
    "force_pre_tool_speech": False,
    "pre_tool_speech": "auto",
    "assignments": [],
    "tool_call_sound": "typing",
    "tool_call_sound_behavior": "auto",
    "tool_error_handling_mode": "auto",
    "dynamic_variables": {"dynamic_variable_placeholders": {}},
    "execution_mode": "immediate",
    "api_schema": {
        "url": "https://api.example.com/appointments",
        "method": "POST",
        "request_headers": {"Content-Type": "application/json"},
        "path_params_schema": {},
        "query_params_schema": None,
        "request_body_schema": {
            "type": "object",
            "description": "The agreed slot",
            "required": ["day", "time"],
            "properties": {
                "day": {"type": "string", "description": "Day of the week"},
                "time": {"type": "string", "description": "Time of day"},
            },
        },
        "content_type": "application/json",
        "auth_resolved_params": [],
        "auth_connection": None,
    },
}

_BUILT_IN: Json = {
    "end_call": system_tool("end_call", "End the call when the conversation is over."),
    "language_detection": system_tool("language_detection", "", only_at_conversation_start=False),
    "voicemail_detection": system_tool(
        "voicemail_detection",
        "Leave a short message when a machine answers.",
        voicemail_message="Hello, this is Ava from Northwind Services. We will call again.",
    ),
}

_XYZ: Json = {
    "name": "Ava, outbound assistant",
    "tags": ["outbound", "demo"],
    "conversation_config": {
        "agent": {
            "first_message": "Hello {{name}}, this is Ava from {{company}}. Do you have a minute?",
            "language": "en",
            "dynamic_variables": {
                "dynamic_variable_placeholders": {"name": "there", "company": "Northwind Services"},
            },
            "prompt": {
                "prompt": _PROMPT,
                "llm": "gemini-2.5-flash",
                "temperature": 0.3,
                "max_tokens": 400,
                "tools": [*_BUILT_IN.values(), _BOOK_APPOINTMENT],
                "tool_ids": ["tool_8401k2qvw3x9e5yamq7hj0tzc1ds"],
                "built_in_tools": _BUILT_IN,
                "knowledge_base": [
                    {"type": "text", "name": "Opening hours", "id": "kb_5nq2h7y3c0d1", "usage_mode": "auto"}
                ],
                "timezone": "Europe/Berlin",
            },
        },
        "tts": {
            "model_id": "eleven_flash_v2_5",
            "voice_id": "cjVigY5qzO86Huf0OWal",
            "stability": 0.55,
            "speed": 1.02,
            "similarity_boost": 0.8,
        },
        "turn": {"turn_timeout": 8.0, "silence_end_call_timeout": 20},
        "conversation": {
            "max_duration_seconds": 480,
            "client_events": [*CLIENT_EVENTS, "agent_response_correction"],
        },
    },
    "platform_settings": {
        "evaluation": {
            "criteria": [
                {
                    "id": "goal_reached",
                    "name": "Goal reached",
                    "type": "prompt",
                    "conversation_goal_prompt": "The person agreed to what the call was about.",
                    "use_knowledge_base": False,
                    "scope": "conversation",
                    "scoring_mode": "binary",
                }
            ]
        },
        "data_collection": {
            "callback_wanted": {"type": "boolean", "description": "Whether the person asked to be called again."},
            "note": {"type": "string", "description": "Anything the team should know, in one sentence."},
        },
        "overrides": {
            "conversation_config_override": {"agent": {"first_message": True, "language": True}},
        },
        "guardrails": {
            "focus": {"is_enabled": True},
            "prompt_injection": {"is_enabled": True},
            "content": {
                "config": {
                    "harassment": {"is_enabled": True, "threshold": 0.5},
                    "profanity": {"is_enabled": True, "threshold": "medium"},
                }
            },
            "custom": {
                "config": {
                    "configs": [
                        {
                            "name": "No card numbers",
                            "prompt": "Never ask for or repeat payment card numbers.",
                            "is_enabled": True,
                            "execution_mode": "blocking",
                        }
                    ]
                }
            },
        },
        "call_limits": {"agent_concurrency_limit": -1, "daily_limit": 100000, "bursting_enabled": False},
    },
}

_RENEWALS: Json = {
    "name": "Milo, renewals",
    "tags": ["outbound"],
    "conversation_config": {
        "agent": {
            "first_message": "Good day, Milo from Fabrikam Insurance here. I am calling about your policy.",
            "prompt": {
                "prompt": "You are Milo. Offer the renewal of the policy, answer questions, note the decision.",
                "llm": "gpt-4.1-mini",
                "temperature": 0.2,
                "tools": [_BUILT_IN["end_call"]],
                "built_in_tools": {"end_call": _BUILT_IN["end_call"]},
            },
        },
        "tts": {"model_id": "eleven_turbo_v2_5", "voice_id": "EXAVITQu4vr4xnSDxMaL"},
    },
}

_RECEPTION: Json = {
    "name": "Noor, reception",
    "tags": ["inbound"],
    "conversation_config": {
        "agent": {
            "first_message": "Contoso Dental, Noor speaking. How can I help?",
            "language": "en",
            "prompt": {"prompt": "You are Noor at the front desk. Take bookings, answer questions.", "llm": "gpt-4o"},
        },
        "tts": {"model_id": "eleven_multilingual_v2", "voice_id": "21m00Tcm4TlvDq8ikWAM"},
    },
}


def seeded_agents(now: int) -> dict[str, Json]:
    """Three agents, `agent_xyz` with everything filled in; `now` in Unix seconds."""
    bodies = {
        "agent_xyz": _XYZ,
        "agent_7101k5zvyjhmfg983brhmhkd98n6": _RENEWALS,
        "agent_2601k8f0c3m4ta7rb9sd5qe1xw2z": _RECEPTION,
    }
    return {agent_id: build_agent(agent_id, body, now=now) for agent_id, body in bodies.items()}


def seeded_phone_numbers(account: str) -> dict[str, Json]:
    """One SIP number, assigned to no agent. Its id is the same in every life of the account."""
    phone_number_id = "phnum_" + hashlib.sha256(account.encode()).hexdigest()[:28]
    number: Json = {
        "phone_number_id": phone_number_id,
        "provider": "sip_trunk",
        "phone_number": "+15550100100",
        "label": "Main line",
        "agent_id": None,
        "supports_inbound": True,
        "supports_outbound": True,
        "livekit_stack": "standard",
        "store_sip_messages": True,
        "outbound_trunk": {
            "address": "sip.carrier.example.com",
            "transport": "tls",
            "media_encryption": "allowed",
            "headers": {},
            "attributes_to_headers": {},
            "has_auth_credentials": True,
            "username": "northwind",
            "has_outbound_trunk": True,
            "enabled_codecs": ["G722/8000", "PCMU/8000", "PCMA/8000"],
        },
        "inbound_trunk": {
            "allowed_addresses": ["0.0.0.0/0"],
            "allowed_numbers": None,
            "media_encryption": "allowed",
            "has_auth_credentials": False,
            "username": None,
            "remote_domains": None,
            "attributes_to_headers": {},
        },
    }
    return {phone_number_id: number}
