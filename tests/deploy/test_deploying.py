"""What is shipped for containers: valid, without secrets, locked down; and run as it will be run there."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.faults.processes import OWN_MOUNTS, eventually, has_room_for_mounts
from tests.faults.wires import free_port

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
KUBERNETES = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
MANIFESTS = [path for path in KUBERNETES if path.name != "kustomization.yaml"]


def run(*command: str | Path, **options: Any) -> str:
    """Return what a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# the image ----------------------------------------------------------------------------------------


def instructions(name: str) -> list[str]:
    """Return what an instruction of the Dockerfile's last stage says, each time that it is there."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    last = text[text.rindex("\nFROM ") :]
    return re.findall(rf"^{name} (.*)$", last, re.MULTILINE)


def test_the_dockerfile_is_as_its_linter_wants_it() -> None:
    run(BIN / "hadolint", ROOT / "Dockerfile")


def test_the_image_is_made_of_what_there_is() -> None:
    text = (ROOT / "Dockerfile").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (wanted,) = re.findall(r"^ARG EXTRAS=(.*)$", text, re.MULTILINE)
    assert set(wanted.split(",")) <= extras.keys()
    taken = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        name for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE) for name in line.split()
    }
    assert copied == taken
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.skipif(not has_room_for_mounts(), reason="needs a file system of one's own")
def test_the_image_s_command_serves_from_a_read_only_system_as_nobody_in_particular(tmp_path: Path) -> None:
    """As in the container: its user, its variables, its commands; one folder that can be written."""
    data, port = tmp_path / "data", free_port()
    data.mkdir(mode=0o700)
    ids = instructions("USER")[0].split(":")
    given = dict(re.findall(r"(\w+)=(\S+)", instructions("ENV")[0]))
    variables = {
        **given,
        "PATH": f"{BIN}:/usr/bin:/bin",
        "HOME": str(data),
        "PORT": str(port),
        "CHACHAML_URL": f"http://127.0.0.1:{port}",
        "CHACHAML_LOG_FORMAT": "json",
    }
    entry, command = (json.loads(instructions(name)[0]) for name in ("ENTRYPOINT", "CMD"))
    inside = _boxed(data, ids)

    def started(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*inside, *words],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    nobody_yet = started(*entry, *command)
    assert "admin create" in nobody_yet.communicate(timeout=60)[1]
    made = started(*entry, "admin", "create", "ada")
    token = made.communicate(timeout=60)[0].strip()
    assert token.startswith("chm_")
    server = started(*entry, *command)
    try:
        (check,) = re.findall(r"CMD (\[.*\])", instructions("HEALTHCHECK")[0])
        eventually(lambda: _succeeds(started(*json.loads(check))), 60)
        who = {"Authorization": f"Bearer {token}"}
        url = f"http://127.0.0.1:{port}"
        made_run = httpx.post(f"{url}/api/w/runs", json={"experiment": "e"}, headers=who, timeout=30)
        kept = httpx.put(
            f"{url}/api/w/runs/{made_run.json()['id']}/artifacts/a.txt",
            content=b"x",
            headers=who,
            timeout=30,
        )
        assert kept.status_code == 200, kept.text
        assert {path.name for path in data.iterdir()} >= {"chachaml.db", "chachaml-artifacts"}
        if os.getuid() == 0:
            assert (data / "chachaml.db").stat().st_uid == int(ids[0])
    finally:
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=30)
    assert (server.returncode, out) == (0, ""), err
    assert all(json.loads(line) for line in err.splitlines())


def _succeeds(process: subprocess.Popen[str]) -> bool:
    process.communicate(timeout=30)
    return process.returncode == 0


def _boxed(data: Path, ids: list[str]) -> list[str]:
    """Return a command that runs others as a user by number, who can write to nothing but a folder."""
    script = 'mount --bind "$0" "$0"; mount -o remount,bind,ro /; cd "$0"; exec "$@"'
    user: list[str] = []
    if os.getuid() == 0:
        os.chown(data, *map(int, ids))
        # The interpreter of the tests may be where only root looks: reading is all that is allowed besides.
        only = "-all,+dac_read_search"
        may = (f"--inh-caps={only}", f"--ambient-caps={only}", f"--bounding-set={only}")
        user = ["setpriv", f"--reuid={ids[0]}", f"--regid={ids[1]}", "--clear-groups", *may, "--no-new-privs"]
    return [*OWN_MOUNTS, "sh", "-euc", script, str(data), *user]


# compose ------------------------------------------------------------------------------------------


def compose() -> dict[str, Any]:
    """Return what compose.yaml says where nothing is set."""
    loaded: dict[str, Any] = _filled(yaml.safe_load((ROOT / "compose.yaml").read_text()))
    return loaded


def _filled(value: Any) -> Any:
    """Return a part of the file with the defaults of all variables in it."""
    if isinstance(value, dict):
        return {key: _filled(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one) for one in value]
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) if isinstance(value, str) else value


def test_the_compose_file_is_valid() -> None:
    run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml")


def test_every_container_is_locked_down_and_the_server_alone_is_reached() -> None:
    services = compose()["services"]
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
    assert {name for name, service in services.items() if service.get("ports")} == {"server", "proxy"}
    assert services["server"]["ports"] == ["127.0.0.1:8080:8080"]
    assert services["proxy"]["profiles"] == ["proxy"]
    assert compose()["networks"]["storage"] == {"internal": True}
    for name in ("db", "objects"):
        assert services[name]["networks"] == ["storage"]
        assert "healthcheck" in services[name]


def test_no_secret_is_shipped_and_each_is_read_by_its_own_alone(tmp_path: Path) -> None:
    for name, service in compose()["services"].items():
        told = service.get("environment", {})
        secret = [key for key in told if re.search(r"PASSWORD$|_KEY$|SECRET|TOKEN", key)]
        assert not any(told[key] for key in secret), name
    me = f"{os.getuid()}:{os.getgid()}"
    secrets, objects = tmp_path / "secrets", tmp_path / "objects"
    secrets.mkdir()
    objects.mkdir()
    places = {"SECRETS": str(secrets), "OBJECTS_DATA": str(objects), "SERVER": me, "OBJECTS": me}
    script = ROOT / "deploy" / "docker" / "first-start.sh"
    seen = []
    for _ in range(2):
        run("sh", script, env={**os.environ, **places})
        files = [path for path in secrets.rglob("*") if path.is_file()]
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
        seen.append({path.name: path.read_text() for path in files})
    assert seen[0] == seen[1]
    assert seen[0].keys() == {"database", "objects", "pgpass", "aws", "s3.json"}
    assert len({seen[0]["database"], seen[0]["objects"]}) == 2
    assert len(seen[0]["database"]) == 48
    (identity,) = json.loads(seen[0]["s3.json"])["identities"]
    assert identity["credentials"][0]["secretKey"] in seen[0]["aws"]
    assert seen[0]["pgpass"] == f"db:5432:*:chachaml:{seen[0]['database']}\n"


def test_the_variables_of_the_compose_file_are_what_the_server_takes(tmp_path: Path) -> None:
    services = compose()["services"]
    told = services["server"]["environment"]
    said = run(BIN / "chachaml", "config", "--json", cwd=tmp_path, env={**os.environ, **told})
    found = {row["name"]: row["value"] for row in json.loads(said)}
    assert found["store"] == "jdbc:postgresql://db:5432/chachaml"
    assert found["artifacts"] == "s3://chachaml"
    code = "from chachaml.core import settings; print(settings.database(settings.store_path()))"
    read = run(sys.executable, "-c", code, cwd=tmp_path, env={**os.environ, **told})
    assert "postgresql://chachaml@db:5432/chachaml" in read


# Kubernetes ---------------------------------------------------------------------------------------


def test_the_manifests_are_valid() -> None:
    run(BIN / "kubernetes-validate", "--strict", *MANIFESTS)


def test_the_kustomization_names_what_there_is() -> None:
    kustomization = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "kustomization.yaml").read_text())
    by_hand = {"secret.example.yaml", "upgrade.yaml", "first-admin.yaml"}
    assert {*kustomization["resources"], *by_hand} == {path.name for path in MANIFESTS}


@pytest.mark.parametrize("name", ["deployment", "upgrade", "first-admin"])
def test_pods_are_restricted(name: str) -> None:
    manifest = yaml.safe_load((ROOT / "deploy" / "kubernetes" / f"{name}.yaml").read_text())
    pod = manifest["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert str(pod["securityContext"]["runAsUser"]) == instructions("USER")[0].split(":")[0]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
    assert mounts == {"/data": "data", "/tmp": "tmp"}


def test_a_pod_is_asked_where_the_server_answers_and_has_time_to_drain() -> None:
    folder = ROOT / "deploy" / "kubernetes"
    pod = yaml.safe_load((folder / "deployment.yaml").read_text())["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    for probe, path in (("startup", "/healthz"), ("liveness", "/healthz"), ("readiness", "/readyz")):
        assert container[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "http"}
    settings = yaml.safe_load((folder / "configmap.yaml").read_text())["data"]
    assert pod["terminationGracePeriodSeconds"] > float(settings["CHACHAML_DRAIN"]) + 20
    words = [*shlex.split(" ".join(container["args"])), "--help"]
    assert "--team" in run(BIN / "chachaml", *words)


def test_the_example_of_a_secret_has_none() -> None:
    secret = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "secret.example.yaml").read_text())
    assert not any(secret["stringData"].values())
