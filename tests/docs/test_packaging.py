"""What a release needs besides code: notices, versions that agree, a workflow that covers the promise."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml
from tests.release.__main__ import PYTHONS, pythons

import chachaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
VENDOR = ROOT / "src" / "chachaml" / "web" / "static" / "vendor"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_what_others_wrote_is_named_with_its_version_and_licence() -> None:
    rows = re.findall(
        r"^\| \[(.+?)\].*? \| ([\d.]+) \|.*`(.+?)` \|$", (ROOT / "THIRD-PARTY.md").read_text(), re.M
    )
    assert len(rows) >= 5
    for name, version, licence in rows:
        assert (VENDOR / licence).is_file(), licence
        assert version in licence, name
    named = {re.split(r"[/.]LICENSE|/LICENSE", licence)[0] for _, _, licence in rows}
    for path in VENDOR.iterdir():
        assert any(path.name.startswith(name.removesuffix("/")) for name in named), (
            f"{path.name} is not named"
        )


def test_the_changelog_has_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert chachaml.__version__ in versions
    assert re.search(rf"^## \[{re.escape(chachaml.__version__)}\] - \d{{4}}-\d\d-\d\d$", text, re.MULTILINE)


def test_workflows_are_as_their_schema_says() -> None:
    command = [
        Path(sys.executable).with_name("check-jsonschema"),
        "--builtin-schema",
        "vendor.github-workflows",
    ]
    said = subprocess.run([*command, *WORKFLOWS.glob("*.yml")], capture_output=True, text=True)
    assert not said.returncode, said.stdout


def test_a_tag_publishes_and_nothing_else_does_nor_with_a_secret() -> None:
    text = (WORKFLOWS / "publish.yml").read_text()
    workflow = yaml.safe_load(text)
    assert workflow[True] == {"push": {"tags": ["v*"]}}  # YAML takes the word on for yes
    assert "secrets." not in text
    assert workflow["jobs"]["publish"]["environment"] == "release"
    assert workflow["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    assert "publish" not in (WORKFLOWS / "ci.yml").read_text()


def test_the_workflow_covers_what_is_promised() -> None:
    workflow = yaml.safe_load((WORKFLOWS / "ci.yml").read_text())
    jobs = workflow["jobs"]
    assert tuple(jobs["linux"]["strategy"]["matrix"]["python"]) == PYTHONS
    assert tuple(jobs["others"]["strategy"]["matrix"]["python"]) == PYTHONS
    assert set(jobs["others"]["strategy"]["matrix"]["os"]) == {"macos-latest", "windows-latest"}
    classified = {line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line}
    assert classified == set(PYTHONS)
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    used = {word for command in commands for word in re.findall(r"^make ([\w-]+)", command)}
    used |= set(jobs["long"]["strategy"]["matrix"]["target"])
    assert used <= targets
    for command in commands:
        for path in re.findall(r"\b(?:tests|examples)/\S+", command):
            assert (ROOT / path).exists(), path


def test_the_workflow_may_only_read_and_runs_no_text_of_others() -> None:
    """Titles, names of branches and the like come from whoever opens a pull request."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in text
    assert "secrets." not in text
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        for step in job["steps"]:
            assert "github." not in step.get("run", "")
            assert step.get("uses", "actions/").startswith("actions/")


def test_this_python_is_found() -> None:
    assert f"{sys.version_info[0]}.{sys.version_info[1]}" in pythons()
