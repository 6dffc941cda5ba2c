"""Answers in the documented shapes: account, webhooks, agents, phone numbers and batches."""

from __future__ import annotations

import hashlib
from typing import Any

from .world import Account, Batch, Recipient, Webhook

Json = dict[str, Any]

_EMPTY_OVERRIDE: Json = {"asr": None, "turn": None, "tts": None, "conversation": None, "agent": None}


def subscription(account: Account) -> Json:
    """GET /v1/user/subscription: an enterprise plan (or the tier that a test gave the account)."""
    return {
        "tier": account.tier,
        "character_count": 1_284_310,
        "character_limit": 50_000_000,
        "max_character_limit_extension": None,
        "max_credit_limit_extension": "unlimited",
        "can_extend_character_limit": True,
        "allowed_to_extend_character_limit": True,
        "next_character_count_reset_unix": int(account.created_at) + 30 * 86400,
        "voice_slots_used": 4,
        "professional_voice_slots_used": 0,
        "professional_voice_slots_used_in_workspace": 0,
        "voice_limit": 660,
        "max_voice_add_edits": 965,
        "voice_add_edit_counter": 12,
        "professional_voice_limit": 3,
        "can_extend_voice_limit": True,
        "can_use_instant_voice_cloning": True,
        "can_use_professional_voice_cloning": True,
        "currency": "usd",
        "current_overage": {"amount": "0", "currency": "usd"},
        "status": "active",
        "billing_period": "annual_period",
        "character_refresh_period": "monthly_period",
    }


def extended_subscription(account: Account) -> Json:
    return {
        **subscription(account),
        "next_invoice": None,
        "open_invoices": [],
        "has_open_invoices": False,
        "pending_change": None,
        "has_used_starter_coupon_on_account": False,
        "has_used_creator_coupon_on_account": False,
    }


def user(account: Account, *, key: str) -> Json:
    """GET /v1/user. The key's last four characters are shown, never the key."""
    digest = hashlib.sha256(account.name.encode()).hexdigest()
    return {
        "user_id": digest[:28],
        "subscription": subscription(account),
        "is_new_user": False,
        "can_use_delayed_payment_methods": False,
        "is_onboarding_completed": True,
        "is_onboarding_checklist_completed": True,
        "show_compliance_terms": False,
        "first_name": account.name,
        "is_api_key_hashed": True,
        "xi_api_key_preview": f"...{key[-4:]}",
        "referral_link_code": None,
        "partnerstack_partner_default_link": None,
        "created_at": int(account.created_at),
        "seat_type": "workspace_admin",
        "workspace_id": digest[28:56],
    }


def webhook(account: Account, hook: Webhook, *, usages: bool) -> Json:
    attached = account.settings["webhooks"]["post_call_webhook_id"] == hook.webhook_id
    shape: Json = {
        "name": hook.name,
        "webhook_id": hook.webhook_id,
        "webhook_url": hook.url,
        "is_disabled": hook.is_disabled,
        "is_auto_disabled": hook.is_auto_disabled,
        "created_at_unix": hook.created_at,
        "auth_type": "hmac",
        "usage": None,
        "events": hook.events,
        "most_recent_failure_error_code": hook.last_failure_code,
        "most_recent_failure_timestamp": hook.last_failure_at,
    }
    if usages:
        shape["usage"] = [{"usage_type": "ConvAI Settings"}] if attached else []
    return shape


def _access(account: Account) -> Json:
    return {
        "is_creator": True,
        "creator_name": account.name,
        "creator_email": f"{account.name}@example.com",
        "role": "admin",
        "anonymous_access_level_override": None,
        "access_source": "creator",
    }


def agent(account: Account, document: Json) -> Json:
    """GET agent: the stored document with the numbers assigned to it."""
    numbers = [
        phone_number(account, number)
        for number in account.phone_numbers.values()
        if number["agent_id"] == document["agent_id"]
    ]
    return {
        **document,
        "phone_numbers": numbers,
        "whatsapp_accounts": [],
        "access_info": _access(account),
        "procedures": {},
    }


def agent_summary(account: Account, document: Json) -> Json:
    return {
        "agent_id": document["agent_id"],
        "name": document["name"],
        "tags": document["tags"],
        "created_at_unix_secs": document["metadata"]["created_at_unix_secs"],
        "updated_at_unix_secs": document["metadata"]["updated_at_unix_secs"],
        "access_info": _access(account),
        "last_call_time_unix_secs": account.agent_last_call.get(document["agent_id"]),
        "archived": document["platform_settings"]["archived"],
        "voice_id": document["conversation_config"]["tts"]["voice_id"],
    }


def phone_number(account: Account, number: Json) -> Json:
    """One number as listed: never a Twilio SID or token, never a SIP password."""
    assigned = account.agents.get(number["agent_id"] or "")
    shape: Json = {
        "phone_number": number["phone_number"],
        "label": number["label"],
        "supports_inbound": number["supports_inbound"],
        "supports_outbound": number["supports_outbound"],
        "phone_number_id": number["phone_number_id"],
        "assigned_agent": None,
        "provider": number["provider"],
    }
    if assigned is not None:
        shape["assigned_agent"] = {
            "agent_id": assigned["agent_id"],
            "agent_name": assigned["name"],
            "environment": None,
            "branch_id": None,
        }
    if number["provider"] == "sip_trunk":
        shape["provider_config"] = number["outbound_trunk"]
        shape["outbound_trunk"] = number["outbound_trunk"]
        shape["inbound_trunk"] = number["inbound_trunk"]
        shape["livekit_stack"] = number["livekit_stack"]
        shape["store_sip_messages"] = number["store_sip_messages"]
    return shape


def batch(item: Batch) -> Json:
    """BatchCallResponse: every key present, nullable ones as null."""
    return {
        "id": item.id,
        "phone_number_id": item.phone["phone_number_id"],
        "phone_provider": item.phone["provider"],
        "whatsapp_params": None,
        "name": item.body["call_name"],
        "agent_id": item.body["agent_id"],
        "branch_id": item.body.get("branch_id"),
        "environment": item.body.get("environment"),
        "created_at_unix": int(item.created_at),
        "scheduled_time_unix": int(item.scheduled_at),
        "timezone": item.body.get("timezone"),
        "total_calls_dispatched": item.dispatched,
        "total_calls_scheduled": len(item.recipients),
        "total_calls_finished": item.finished,
        "last_updated_at_unix": int(item.updated_at),
        "status": item.status,
        "retry_count": item.retry_count,
        "telephony_call_config": item.body["telephony_call_config"],
        "target_concurrency_limit": item.target_limit,
        "agent_name": item.agent_name,
        "branch_name": None,
    }


def client_data(given: Json | None) -> Json:
    """conversation_initiation_client_data as it comes back: what was sent, the rest filled."""
    given = given or {}
    return {
        "conversation_config_override": {**_EMPTY_OVERRIDE, **(given.get("conversation_config_override") or {})},
        "custom_llm_extra_body": given.get("custom_llm_extra_body") or {},
        "user_id": given.get("user_id"),
        "source_info": given.get("source_info") or {"source": None, "version": None},
        "branch_id": given.get("branch_id"),
        "environment": given.get("environment"),
        "starting_workflow_node_id": given.get("starting_workflow_node_id"),
        "procedure_ids": given.get("procedure_ids"),
        "dynamic_variables": given.get("dynamic_variables") or {},
    }


def recipient(item: Recipient) -> Json:
    return {
        "id": item.id,
        "phone_number": item.number,
        "whatsapp_user_id": None,
        "status": item.status,
        "created_at_unix": int(item.created_at),
        "updated_at_unix": int(item.updated_at),
        "conversation_id": item.conversation_id,
        "conversation_initiation_client_data": None if item.client_data is None else client_data(item.client_data),
    }


def batch_detail(item: Batch) -> Json:
    return {**batch(item), "recipients": [recipient(one) for one in item.recipients]}
