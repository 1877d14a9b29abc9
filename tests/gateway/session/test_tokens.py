"""Tokens: claims, expiry, secrets and their bounds."""

import stat
from pathlib import Path

import jwt
import pytest

from gateway.session.tokens import (
    Claims,
    Role,
    SecretError,
    TokenError,
    TokenKey,
    TokenSettings,
    load_key,
)

NOW_S = 1_800_000_000
KEY = TokenKey(b"k" * 32)


@pytest.mark.parametrize("role", list(Role))
def test_verified_claims_are_those_the_token_was_issued_with(role: Role) -> None:
    account = 7 if role is Role.BETTOR else None
    token = KEY.issue(role=role, sub="anna", account=account, now_s=NOW_S, expires_s=60)
    claims = KEY.verify(token, now_s=NOW_S + 59.9)
    assert claims == Claims(sub="anna", role=role, exp=NOW_S + 60, account=account)
    assert claims.identity == f"{role.value}:anna"


def test_token_is_refused_from_its_expiry_second_on() -> None:
    token = KEY.issue(role=Role.TRADER, sub="anna", now_s=NOW_S, expires_s=60)
    with pytest.raises(TokenError, match="expired"):
        KEY.verify(token, now_s=NOW_S + 60)


def test_token_is_refused_before_its_first_second() -> None:
    claims = {"sub": "anna", "role": "trader", "exp": NOW_S + 60, "iss": "overround"}
    for nbf in (NOW_S, NOW_S - 0.5):
        token = jwt.encode(claims | {"nbf": nbf}, b"k" * 32, algorithm="HS256")
        assert KEY.verify(token, now_s=NOW_S).sub == "anna"
        with pytest.raises(TokenError, match="claim nbf: not valid yet"):
            KEY.verify(token, now_s=nbf - 0.1)


def test_bettor_without_an_account_gets_no_token() -> None:
    with pytest.raises(TokenError, match="account"):
        KEY.issue(role=Role.BETTOR, sub="anna", now_s=NOW_S, expires_s=60)


def test_subject_with_a_character_outside_its_pattern_gets_no_token() -> None:
    with pytest.raises(TokenError, match="claim sub"):
        KEY.issue(role=Role.TRADER, sub="anna b", now_s=NOW_S, expires_s=60)


def test_error_never_quotes_the_token() -> None:
    token = KEY.issue(role=Role.TRADER, sub="anna", now_s=NOW_S, expires_s=60)
    with pytest.raises(TokenError) as raised:
        TokenKey(b"x" * 32).verify(token, now_s=NOW_S)
    assert token not in str(raised.value)


def test_short_secret_is_refused() -> None:
    with pytest.raises(SecretError, match="32 bytes"):
        TokenKey(b"short")


def test_settings_do_not_show_their_secret() -> None:
    settings = TokenSettings(secret="s" * 40)
    assert "sss" not in repr(settings)
    assert load_key(settings, data_dir=Path("/nowhere")) is not None


def test_secret_of_the_data_folder_is_made_once_with_mode_0600(tmp_path: Path) -> None:
    settings = TokenSettings()
    first = load_key(settings, data_dir=tmp_path / "data")
    token = first.issue(role=Role.QUANT, sub="q", now_s=NOW_S, expires_s=60)
    assert load_key(settings, data_dir=tmp_path / "data").verify(token, now_s=NOW_S).sub == "q"
    (path,) = (tmp_path / "data").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secret_file_that_is_missing_is_named(tmp_path: Path) -> None:
    settings = TokenSettings(secret_file=str(tmp_path / "none"))
    with pytest.raises(SecretError, match="none"):
        load_key(settings, data_dir=tmp_path)
