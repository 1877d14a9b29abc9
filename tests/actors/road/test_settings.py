"""Settings of the road: what cannot be used is said by name, before any process is started."""

from pathlib import Path

import pytest

from actors.road.greeting import SECRET_BYTES_MIN
from actors.road.road import RoadSettings, RoadSettingsError
from actors.road.secret import NAME, load_secret
from actors.settings import ClusterSettings
from actors.system_parts import road_settings


def test_the_secret_is_drawn_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    first = load_secret(tmp_path)
    assert len(first) >= SECRET_BYTES_MIN
    (tmp_path / NAME).chmod(0o644)
    assert load_secret(tmp_path) == first
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_a_draft_that_a_kill_left_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / NAME).with_suffix(".new").write_bytes(b"half")
    assert len(load_secret(tmp_path)) >= SECRET_BYTES_MIN


def test_a_secret_that_is_too_short_is_refused_by_the_name_of_its_file(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"short")
    with pytest.raises(RoadSettingsError, match=rf"{NAME} holds 5 bytes, at least"):
        load_secret(tmp_path)


def test_a_host_of_another_machine_is_refused_by_name(tmp_path: Path) -> None:
    cluster = ClusterSettings(road_host="192.0.2.1")  # of no machine (RFC 5737)
    with pytest.raises(RoadSettingsError, match=r"cluster\.road_host: 192\.0\.2\.1"):
        road_settings(cluster, tmp_path)


def test_certificates_that_cannot_be_used_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    names = [str(tmp_path / name) for name in ("no.pem", "missing.pem")]
    for name in names:
        cluster = ClusterSettings(
            road_host="127.0.0.1", road_certificate=name, road_key=name, road_authority=name
        )
        with pytest.raises(RoadSettingsError, match=r"cluster\.road_certificate"):
            road_settings(cluster, tmp_path)


def test_no_setting_shows_the_secret(tmp_path: Path) -> None:
    settings = road_settings(ClusterSettings(), tmp_path)
    assert isinstance(settings, RoadSettings)
    assert str(settings.secret) not in repr(settings)
    assert road_settings(ClusterSettings(road=False), tmp_path) is None
