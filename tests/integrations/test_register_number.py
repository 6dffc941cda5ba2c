"""A number is registered at ElevenLabs once, whoever asks, however often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from aispinner.core.models import NodeType, Workspace
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.errors import Answer, ProviderError, Reason
from integrations.models import Carrier, ElevenLabsKey, PhoneProvider
from integrations.services import forget_registration, register_number
from tests.factories import make_account, make_key, make_node, make_phone_provider, make_user, make_workspace
from tests.integrations.conftest import Sim

NUMBER = "+15550100188"


@pytest.fixture
def key(workspace: Workspace) -> ElevenLabsKey:
    return make_key(workspace=workspace, account=make_account(limit=4))


@pytest.fixture
def provider(workspace: Workspace) -> PhoneProvider:
    return make_phone_provider(node=make_node(workspace=workspace, type=NodeType.PHONE_NUMBER), phone=NUMBER)


def registered(sim: Sim) -> list[str]:
    numbers = sim.get("/v1/convai/phone-numbers")
    return [each["phone_number_id"] for each in numbers if each["phone_number"] == NUMBER]


def test_a_number_is_created_at_the_first_need_and_known_after_that(
    sim: Sim, provider: PhoneProvider, key: ElevenLabsKey
) -> None:
    number_id = register_number(phone_provider=provider, key=key)
    assert registered(sim) == [number_id]
    sim.fault("internal_error")  # from now on, asking would fail
    assert register_number(phone_provider=provider, key=key) == number_id
    provider.refresh_from_db()
    assert (provider.registered_account, provider.registered_id) == (key.account, number_id)


def test_a_number_that_is_there_is_found_and_not_made_again(
    sim: Sim, provider: PhoneProvider, key: ElevenLabsKey
) -> None:
    there = ElevenLabsClient(api_key=key.key).create_twilio_number(
        phone_number=NUMBER, label="Theirs", sid="ACother", token="other"
    )
    assert register_number(phone_provider=provider, key=key) == there
    assert registered(sim) == [there]


def test_a_number_on_a_trunk_is_registered_with_its_port(sim: Sim, provider: PhoneProvider, key: ElevenLabsKey) -> None:
    provider.provider, provider.sip_server, provider.sip_port = Carrier.SIP, "sip.example.org", 5070
    provider.sip_user, provider.sip_password, provider.sip_phone = "me", "secret", NUMBER
    provider.save()
    number_id = register_number(phone_provider=provider, key=key)
    found = ElevenLabsClient(api_key=key.key).get_phone_number(number_id)
    assert (found.provider, found.sip_address, found.sip_username) == ("sip_trunk", "sip.example.org:5070", "me")


def test_a_registration_whose_answer_was_lost_is_found_next_time(
    sim: Sim, provider: PhoneProvider, key: ElevenLabsKey
) -> None:
    sim.fault("internal_error", endpoint="phone_numbers.create", when="after", times=1)
    with pytest.raises(ProviderError) as failure:
        register_number(phone_provider=provider, key=key)
    assert failure.value.answer is Answer.NOT_DONE
    assert [register_number(phone_provider=provider, key=key)] == registered(sim)


@pytest.mark.parametrize("what", ["no number", "imported", "refused"])
def test_what_cannot_be_registered_says_that_the_number_is_missing(
    sim: Sim, provider: PhoneProvider, key: ElevenLabsKey, what: str
) -> None:
    if what == "no number":
        provider.twilio_phone = ""
    elif what == "imported":
        provider.twilio_sid = provider.twilio_token = ""
        provider.imported = True
    else:
        sim.fault("missing_permissions", endpoint="phone_numbers.create")
    provider.save()
    with pytest.raises(ProviderError) as failure:
        register_number(phone_provider=provider, key=key)
    assert failure.value.answer is Answer.REFUSED
    assert failure.value.reason is (Reason.NOT_ALLOWED if what == "refused" else Reason.NUMBER_MISSING)


def test_a_number_that_vanished_is_registered_anew(sim: Sim, provider: PhoneProvider, key: ElevenLabsKey) -> None:
    register_number(phone_provider=provider, key=key)
    sim.control("reset", {})
    forget_registration(phone_provider_id=provider.pk)
    assert [register_number(phone_provider=provider, key=key)] == registered(sim)


@pytest.mark.django_db(transaction=True)
def test_several_who_need_it_at_once_register_it_once(sim: Sim) -> None:
    workspace = make_workspace("Acme", owner=make_user())
    key = make_key(workspace=workspace)
    providers = [
        make_phone_provider(node=make_node(workspace=workspace, type=NodeType.PHONE_NUMBER), phone=NUMBER)
        for _ in range(2)
    ]
    sim.fault("slow", endpoint="phone_numbers.list", seconds=0.2)

    def register(provider: PhoneProvider) -> str:
        try:
            return register_number(phone_provider=provider, key=key)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=4) as pool:
        ids = set(pool.map(register, providers * 2))
    assert [*ids] == registered(sim)
