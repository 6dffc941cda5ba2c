"""What an agent holds when nothing was said about it: the provider's documented defaults, in full."""

from __future__ import annotations

import copy
from typing import Any

Json = dict[str, Any]

CLIENT_EVENTS = [
    "conversation_initiation_metadata",
    "audio",
    "interruption",
    "user_transcript",
    "agent_response",
    "ping",
]

CONVERSATION_CONFIG: Json = {
    "asr": {
        "quality": "high",
        "provider": "scribe_realtime",
        "user_input_audio_format": "pcm_16000",
        "keywords": [],
    },
    "turn": {
        "turn_timeout": 7.0,
        "initial_wait_time": None,
        "silence_end_call_timeout": -1,
        "turn_eagerness": "normal",
        "spelling_patience": "auto",
        "speculative_turn": False,
        "retranscribe_on_turn_timeout": False,
        "turn_model": "turn_v3",
        "interruption_ignore_terms": [],
        "interruption_ignore_term_languages": [],
        "merge_with_default_ignore_terms": False,
        "transcribe_on_disabled_interruptions": False,
        "soft_timeout_config": {
            "timeout_seconds": -1.0,
            "message": "Hhmmmm...yeah.",
            "additional_soft_timeout_messages": [],
            "use_llm_generated_message": False,
            "randomize_fillers": False,
            "max_soft_timeouts_per_generation": 1,
            "llm_generated_message_prompt_override": None,
            "disable_until_first_user_message": False,
        },
    },
    "tts": {
        "model_id": "eleven_flash_v2",
        "voice_id": "cjVigY5qzO86Huf0OWal",
        "supported_voices": [],
        "expressive_mode": True,
        "suggested_audio_tags": [],
        "agent_output_audio_format": "pcm_16000",
        "optimize_streaming_latency": 3,
        "stability": 0.5,
        "speed": 1.0,
        "similarity_boost": 0.8,
        "text_normalisation_type": "system_prompt",
        "pronunciation_dictionary_locators": [],
        "enable_phoneme_tags": True,
    },
    "conversation": {
        "text_only": False,
        "max_duration_seconds": 600,
        "client_events": CLIENT_EVENTS,
        "file_input": {"enabled": True, "max_files_in_memory": 10, "max_files_per_conversation": 10},
        "monitoring_enabled": False,
        "monitoring_events": [],
        "background_sound": {"source_type": None, "source_id": None, "volume": 0.15, "crossfade_loop": True},
        "source_attribution": False,
    },
    "language_presets": {},
    "vad": {"background_voice_detection": False},
    "agent": {
        "first_message": "",
        "language": "en",
        "hinglish_mode": False,
        "dynamic_variables": {"dynamic_variable_placeholders": {}},
        "disable_first_message_interruptions": False,
        "max_conversation_duration_message": "",
        "text_behavior_overrides": None,
        "prompt": {
            "prompt": "",
            "llm": "gemini-2.5-flash",
            "reasoning_effort": None,
            "thinking_budget": None,
            "enable_reasoning_summary": False,
            "temperature": 0.0,
            "max_tokens": -1,
            "tool_ids": [],
            "tools": [],
            "built_in_tools": {
                "end_call": None,
                "language_detection": None,
                "transfer_to_agent": None,
                "transfer_to_number": None,
                "skip_turn": None,
                "play_keypad_touch_tone": None,
                "voicemail_detection": None,
            },
            "mcp_server_ids": [],
            "native_mcp_server_ids": [],
            "knowledge_base": [],
            "custom_llm": None,
            "ignore_default_personality": True,
            "rag": {
                "enabled": False,
                "embedding_model": "e5_mistral_7b_instruct",
                "max_vector_distance": 0.6,
                "max_documents_length": 50000,
                "max_retrieved_rag_chunks_count": 20,
                "num_candidates": None,
                "query_rewrite_prompt_override": None,
            },
            "timezone": None,
            "backup_llm_config": {"preference": "default"},
            "cascade_timeout_seconds": 4.0,
        },
    },
}

_OFF = {"is_enabled": False, "threshold": 0.3}

PLATFORM_SETTINGS: Json = {
    "evaluation": {"criteria": []},
    "widget": {
        "variant": "full",
        "placement": "bottom-right",
        "expandable": "never",
        "avatar": {"type": "orb", "color_1": "#2792dc", "color_2": "#9ce6e6"},
        "feedback_mode": "none",
        "end_feedback": None,
        "bg_color": "#ffffff",
        "text_color": "#000000",
        "btn_color": "#000000",
        "btn_text_color": "#ffffff",
        "border_color": "#e1e1e1",
        "focus_color": "#000000",
        "shareable_page_show_terms": True,
        "disable_banner": False,
        "mic_muting_enabled": True,
        "transcript_enabled": True,
        "text_input_enabled": True,
        "language_selector": False,
        "supports_text_only": True,
        "text_contents": {},
        "styles": {},
        "language_presets": {},
    },
    "data_collection": {},
    "data_collection_scopes": {},
    "analysis_items": None,
    "overrides": {
        "conversation_config_override": {
            "asr": {"keywords": False},
            "turn": {"soft_timeout_config": {"message": False, "additional_soft_timeout_messages": False}},
            "tts": {
                "model_id": False,
                "voice_id": False,
                "stability": False,
                "speed": False,
                "similarity_boost": False,
                "pronunciation_dictionary_locators": False,
            },
            "conversation": {"text_only": True, "max_duration_seconds": False},
            "agent": {
                "first_message": False,
                "language": False,
                "max_conversation_duration_message": False,
                "prompt": {
                    "prompt": False,
                    "llm": False,
                    "tool_ids": False,
                    "native_mcp_server_ids": False,
                    "knowledge_base": False,
                },
            },
        },
        "custom_llm_extra_body": False,
        "enable_conversation_initiation_client_data_from_webhook": False,
        "enable_starting_workflow_node_id_from_client": False,
        "enable_procedure_ids_from_client": False,
    },
    "workspace_overrides": {
        "conversation_initiation_client_data_webhook": None,
        "webhooks": {
            "post_call_webhook_id": None,
            "events": ["transcript"],
            "transcript_format": "json",
            "send_audio": None,
        },
    },
    "testing": {"attached_tests": []},
    "archived": False,
    "guardrails": {
        "version": "1",
        "focus": {"is_enabled": False},
        "prompt_injection": {"is_enabled": False},
        "content": {
            "execution_mode": "streaming",
            "config": {
                "sexual": _OFF,
                "violence": _OFF,
                "harassment": _OFF,
                "self_harm": _OFF,
                "profanity": _OFF,
                "religion_or_politics": _OFF,
                "medical_and_legal_information": _OFF,
            },
            "trigger_action": {"type": "end_call"},
        },
        "custom": {"config": {"configs": []}},
    },
    "summary_language": None,
    "auto_translate_transcript_to_app_language": None,
    "auth": {"enable_auth": False, "allowlist": [], "require_origin_header": False, "shareable_token": None},
    "call_limits": {"agent_concurrency_limit": -1, "daily_limit": 100000, "bursting_enabled": True},
    "queueing_config": {"enabled": False, "wait_timeout_seconds": 180},
    "privacy": {
        "record_voice": True,
        "retention_days": -1,
        "delete_transcript_and_pii": False,
        "delete_audio": False,
        "apply_to_existing_conversations": False,
        "zero_retention_mode": False,
        "conversation_history_redaction": {"enabled": False, "entities": []},
    },
    "trust_context": "unknown",
    "analysis_llm": "gemini-2.5-flash",
    "topic_discovery": {},
    "sentiment_analysis": {},
    "alerting": None,
    "safety": {"is_blocked_ivc": False, "is_blocked_non_ivc": False, "ignore_safety_evaluation": False},
}

WORKFLOW: Json = {
    "edges": {},
    "nodes": {"start_node": {"type": "start", "position": {"x": 0.0, "y": 0.0}, "edge_order": []}},
    "prevent_subagent_loops": False,
}


_FREE_MAPS = frozenset({"dynamic_variable_placeholders", "language_presets", "data_collection", "edges", "nodes"})


def merged(base: Json, change: Json) -> Json:
    """`base` with `change` laid over it: objects deeply, lists and free maps replaced. Neither argument is touched."""
    result = copy.copy(base)
    for key, value in change.items():
        before = result.get(key)
        if isinstance(value, dict) and isinstance(before, dict) and key not in _FREE_MAPS:
            result[key] = merged(before, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def system_tool(name: str, description: str, **params: Any) -> Json:
    """A built-in tool as GET agent shows it."""
    return {
        "type": "system",
        "name": name,
        "description": description,
        "response_timeout_secs": 20,
        "disable_interruptions": False,
        "interruption_mode": "allow",
        "force_pre_tool_speech": False,
        "pre_tool_speech": "auto",
        "assignments": [],
        "tool_call_sound": None,
        "tool_call_sound_behavior": "auto",
        "tool_error_handling_mode": "auto",
        "params": {"system_tool_type": name, **params},
    }


def build_agent(agent_id: str, body: Json, *, now: int) -> Json:
    """A whole agent document from what was given at creation, defaults filled in; `now` in Unix seconds."""
    return {
        "agent_id": agent_id,
        "name": body.get("name") or "New agent",
        "conversation_config": merged(CONVERSATION_CONFIG, body.get("conversation_config") or {}),
        "metadata": {"created_at_unix_secs": now, "updated_at_unix_secs": now},
        "platform_settings": merged(PLATFORM_SETTINGS, body.get("platform_settings") or {}),
        "workflow": merged(WORKFLOW, body.get("workflow") or {}),
        "tags": list(body.get("tags") or []),
        "version_id": None,
        "branch_id": None,
        "main_branch_id": None,
    }
