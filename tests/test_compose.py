"""The production stack, read as data: what is published, passed, pinned and waited for."""

from __future__ import annotations

import ast
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from aispinner.serving.__main__ import TARGETS

ROOT = Path(__file__).resolve().parents[1]
DOCKER = ROOT / "docker"
STACK: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
LASTING = [name for name in SERVICES if name != "migrate"]
PINNED = re.compile(r":(v?\d[\w.-]*|\$\{\w+:-\d[\w.-]*\})$")


READERS = {
    *("required", "fernet_keys", "choice", "http_url", "origins", "rate", "seconds", "whole_number"),
    *("host_and_port", "ice_servers"),
}


def settings_read() -> tuple[set[str], set[str]]:
    """The variables that the settings insist on, and all that they read."""
    insisted, read = set(), set()
    for node in ast.walk(ast.parse((ROOT / "aispinner" / "settings.py").read_text())):
        if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
            continue
        reader = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
        if reader in READERS or reader.startswith("env."):
            read.add(str(node.args[0].value))
        if reader in {"required", "fernet_keys"}:
            insisted.add(str(node.args[0].value))
    return insisted, read


def test_only_the_proxy_is_reachable_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert not any(service.get("network_mode") == "host" for service in SERVICES.values())


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_may_run_more_than_once(name: str) -> None:
    service = SERVICES[name]
    assert "container_name" not in service
    assert "hostname" not in service
    assert "replicas" not in service.get("deploy", {})


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    assert PINNED.search(SERVICES[name]["image"])


def test_the_image_is_built_on_pinned_ones_from_hashed_requirements_and_does_not_run_as_root() -> None:
    lines = (DOCKER / "Dockerfile").read_text().splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert len(bases) == 2
    assert all(PINNED.search(base) for base in bases)
    assert any("--require-hashes" in line for line in lines)
    assert [line.split()[1] for line in lines if line.startswith("USER ")] == ["aispinner"]


@pytest.mark.parametrize("name", OURS)
def test_everything_the_settings_insist_on_is_passed_and_nothing_that_they_do_not_read(name: str) -> None:
    insisted, read = settings_read()
    passed = set(SERVICES[name]["environment"])
    assert insisted <= passed
    assert passed <= read
    assert insisted >= {"SECRET_KEY", "FERNET_KEYS", "DATABASE_URL", "REDIS_URL"}


def test_a_missing_secret_stops_the_start_with_a_sentence() -> None:
    text = (DOCKER / "compose.yaml").read_text()
    for secret in ("SECRET_KEY", "FERNET_KEYS", "POSTGRES_PASSWORD", "VALKEY_PASSWORD", "DOMAIN"):
        assert f"${{{secret}:?set {secret} in docker/.env" in text
        assert f"${{{secret}:-" not in text


def test_the_example_names_every_variable_without_a_default() -> None:
    text = (DOCKER / "compose.yaml").read_text()
    example = (DOCKER / "production.example.env").read_text()
    assert set(re.findall(r"^(\w+)=$", example, re.MULTILINE)) == set(re.findall(r"\$\{(\w+):\?", text))
    optional = set(re.findall(r"^#(\w+)=", example, re.MULTILINE))
    assert optional <= set(re.findall(r"\$\{(\w+):-", text))


@pytest.mark.parametrize("name", OURS)
def test_commands_run_what_exists(name: str) -> None:
    program, *arguments = SERVICES[name]["command"]
    if program == "python" and arguments[0] == "-m":
        assert find_spec(arguments[1])
    elif program == "python":
        assert (ROOT / arguments[0]).is_file()
    else:
        assert (program, *arguments[:2]) == ("celery", "-A", "aispinner")
        assert find_spec("aispinner.celery")
    if "--interface" in arguments:
        assert arguments[arguments.index("--interface") + 1] in TARGETS


def test_sockets_and_streams_have_a_server_of_their_own() -> None:
    proxy = (DOCKER / "Caddyfile").read_text()
    assert "asgi" in SERVICES["stream"]["command"]
    assert "wsgi" in SERVICES["web"]["command"]
    for matcher in ("@socket", "@events"):
        block = proxy.partition(f"handle {matcher} {{")[2].partition("handle ")[0]
        assert "dynamic a stream 8000" in block
        assert "dynamic a web 8000" not in block
    assert "dynamic a web 8000" in proxy.partition("handle {")[2]


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_comes_back_and_says_how_it_is(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert "healthcheck" in SERVICES[name] or name == "beat"  # whether anybody rings is said by /readyz


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_starts_before_what_it_needs(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if needed == "migrate" else "service_healthy"
        assert how["condition"] == expected
        assert needed == "migrate" or "healthcheck" in SERVICES[needed]


def test_everything_but_the_migration_waits_for_it() -> None:
    for name in OURS:
        assert ("migrate" in SERVICES[name]["depends_on"]) == (name != "migrate")


def test_volumes_are_declared() -> None:
    named = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }
    assert named == set(STACK["volumes"])
    assert (DOCKER / "Caddyfile").is_file()


def test_what_the_image_needs_is_not_ignored() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"aispinner", "integrations", "agents", "telephony", "templates", "manage.py", "requirements.txt"} <= allowed
