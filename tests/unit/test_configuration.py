"""Settings: of several places the first one counts, and what is wrong is said."""

from __future__ import annotations

from pathlib import Path

import pytest

import chachaml as ml
from chachaml.core import configuration, settings
from chachaml.core.errors import BadValue, ChachamlWarning

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def look_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "_LOOK_AGAIN", -1.0)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's file; the working folder is below it."""
    (tmp_path / "code" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "code" / "deep")
    return tmp_path / "code" / "pyproject.toml"


def user_says(text: str) -> None:
    configuration.user_file().parent.mkdir(parents=True, exist_ok=True)
    configuration.user_file().write_text(text)


def test_the_nearest_place_counts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert configuration.path("store") == (Path.cwd() / "chachaml.db")
    user_says('store = "/all/mine.db"\nuser = "maria"\n')
    assert configuration.path("store") == Path("/all/mine.db")
    assert ml.current_user() == "maria"
    project.write_text('[tool.other]\n[tool.chachaml]\nstore = "runs.db"\nstrict = true\n')
    assert configuration.path("store") == project.with_name("runs.db")
    assert configuration.flag("strict")
    monkeypatch.setenv("CHACHAML_STORE", "here.db")
    monkeypatch.setenv("CHACHAML_STRICT", "off")
    monkeypatch.setenv("CHACHA_USER", "tomas")
    assert configuration.path("store") == Path.cwd() / "here.db"
    assert not configuration.flag("strict")
    assert ml.current_user() == "tomas"
    assert "CHACHAML_STORE" in configuration.found("store").source


def test_a_project_cannot_say_who_you_are_or_with_which_key_you_sign(project: Path) -> None:
    project.write_text('[tool.chachaml]\nuser = "root"\nsigning_key = "evil"\n')
    with pytest.warns(ChachamlWarning, match="it is the user's"):
        assert configuration.text("signing_key") == ""
    assert configuration.text("user") == ""


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9",
        "http:/127.0.0.1:9",
        " HTTPS://x.example",
        "postgresql://x/y",
        "jdbc:postgresql://x/y",
        "spool:///tmp/x",
        "s3://bucket/x",
    ],
)
def test_a_project_cannot_say_to_which_server_data_and_tokens_go(project: Path, address: str) -> None:
    for name in ("store", "artifacts"):
        project.write_text(f'[tool.chachaml]\n{name} = "{address}"\n')
        with pytest.warns(ChachamlWarning, match=f"cannot set '{name}' to an address"):
            assert configuration.found(name).source == "the default"


def test_the_user_says_to_which_server_data_go(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user_says('store = "http://127.0.0.1:9"\n')
    assert configuration.found("store").value == "http://127.0.0.1:9"
    monkeypatch.setenv("CHACHAML_STORE", "http://127.0.0.1:8")
    assert configuration.found("store").value == "http://127.0.0.1:8"


def test_unknown_and_bad_settings_are_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write_text('[tool.chachaml]\nstor = "x"\n')
    with pytest.warns(ChachamlWarning, match="did you mean 'store'"):
        configuration.path("store")
    project.write_text("[tool.chachaml\n")
    with pytest.warns(ChachamlWarning, match="cannot be read"):
        configuration.path("store")
    monkeypatch.setenv("CHACHAML_CAPTURE", "perhaps")
    with pytest.raises(BadValue, match=r"capture must be on or off, not 'perhaps'(?s:.*)CHACHAML_CAPTURE"):
        configuration.flag("capture")
    monkeypatch.setenv("CHACHAML_JOURNAL", "paper")
    with pytest.raises(BadValue, match="one of 'auto'"):
        configuration.text("journal")
    monkeypatch.setenv("CHACHAML_SYSTEM_METRICS", "-1")
    with pytest.raises(BadValue, match="0 or more"):
        configuration.number("system_metrics")


def test_the_page_of_settings_has_them_all() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    for setting in configuration.SETTINGS.values():
        default = f"`{setting.default}`" if setting.default else ""
        assert f"| `{setting.name}` | `{setting.variable}` | {default} | {setting.about} |" in page
    assert page.count("| `CHACHA") == len(configuration.SETTINGS)


def test_the_variables_that_go_with_db_type_are_heard(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFACT_DIR", str(folder / "theirs"))
    monkeypatch.setenv("DB_PATH", str(folder / "data.db"))
    assert settings.store_path() == folder / "chachaml.db"
    assert settings.artifacts_root(settings.store_path()) == folder / "chachaml-artifacts"
    monkeypatch.setenv("DB_TYPE", "sqlite")
    assert settings.store_path() == folder / "data.db"
    assert settings.artifacts_root(settings.store_path()) == folder / "theirs"
    monkeypatch.setenv("DB_TYPE", "postgres")
    for address in ("jdbc:postgresql://db:5432/chachaml", "postgres://db:5432/chachaml"):
        monkeypatch.setenv("JDBC_URL", address)
        assert str(settings.store_path()) == "postgresql:/db:5432/chachaml"
    monkeypatch.setenv("CHACHAML_STORE", str(folder / "mine.db"))
    assert settings.store_path() == folder / "mine.db"
