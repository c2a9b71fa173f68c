"""A login at an identity provider becomes a token of whoever began it, once."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from boardgrid.model.errors import Code, Conflict, FarmError, Invalid, NotAllowed, NotFound
from boardgrid.model.federation import Enrolment
from boardgrid.model.user import Secret
from boardgrid.services.sso import BEGUN_FOR, CODE_FOR, UNDER_WAY_FROM_ONE, SingleSignOn
from boardgrid.testing import FakeProvider
from tests.services.house import House, records_with

HOME, BROWSER = "192.0.2.1", "192.0.2.2"
VERIFIER = "v" * 64
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
BACK = "http://127.0.0.1:40123/x7d"


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
def house(provider: FakeProvider) -> Iterator[House]:
    with records_with(boards=1) as records:
        yield House(records, provider=(provider, Enrolment(create=True)))


@pytest.fixture
def sso(house: House) -> SingleSignOn:
    return house.farm.sso


def begin(sso: SingleSignOn, return_to: str = BACK, origin: str = HOME) -> str:
    return sso.begin(CHALLENGE, return_to, label="laptop", origin=origin)


def code_of(sso: SingleSignOn, provider: FakeProvider, sub: str = "grace") -> str:
    returned = sso.come_back(*provider.browse(begin(sso), sub), origin=BROWSER)
    assert isinstance(returned.code, Secret) and returned.trouble is None and returned.return_to == BACK
    return returned.code.reveal()


def refused(sso: SingleSignOn, code: str, verifier: str = VERIFIER) -> Code:
    with pytest.raises(NotAllowed) as error:
        sso.finish(code, verifier, origin=HOME)
    return error.value.code


def test_who_logs_in_there_comes_in_here(house: House, sso: SingleSignOn, provider: FakeProvider) -> None:
    user, token = sso.finish(code_of(sso, provider), VERIFIER, origin=HOME)
    assert (user.name, token.token.label, token.token.origin, token.token.is_login) == ("grace", "laptop", HOME, True)
    assert house.farm.tokens.asker(token.clear.reveal()).id == user.id
    [linked] = house.farm.accounts.external_identities(house.admin, "grace")
    assert linked.key == "https://sso.example.org grace"
    acts = [(one.act, one.thing, one.origin) for one in house.farm.audit.after(house.admin)]
    assert ("login.sso", "user:grace", BROWSER) in acts
    assert ("login", f"token:{token.token.id}", HOME) in acts


def test_a_code_is_good_once_and_for_whoever_began_the_login(
    house: House, sso: SingleSignOn, provider: FakeProvider
) -> None:
    code = code_of(sso, provider)
    assert refused(sso, code, "w" * 64) is Code.LOGIN_REFUSED
    assert refused(sso, code) is Code.LOGIN_EXPIRED, "who tried it by a wrong secret has used it up"
    code = code_of(sso, provider)
    sso.finish(code, VERIFIER, origin=HOME)
    assert refused(sso, code) is Code.LOGIN_EXPIRED
    for made_up in ("", "x", code[:-1] + "_", code.replace("bgl_", "bgs_")):
        assert refused(sso, made_up) is Code.LOGIN_EXPIRED
    failures = [one for one in house.farm.audit.after(house.admin) if one.act == "login.fail"]
    assert len(failures) == 1


def test_a_state_is_good_once_and_made_up_ones_are_not(sso: SingleSignOn, provider: FakeProvider) -> None:
    state, code = provider.browse(begin(sso), "grace")
    assert sso.come_back(state, code, origin=BROWSER).code
    for again in (state, "", "x", state[:-1] + "_", state.replace("bgs_", "bgl_")):
        with pytest.raises(NotAllowed) as error:
            sso.come_back(again, code, origin=BROWSER)
        assert error.value.code is Code.LOGIN_EXPIRED


def test_a_state_is_no_code(sso: SingleSignOn, provider: FakeProvider) -> None:
    state, _code = provider.browse(begin(sso), "grace")
    assert refused(sso, state) is Code.LOGIN_EXPIRED
    assert refused(sso, state.replace("bgs_", "bgl_")) is Code.LOGIN_EXPIRED


def test_a_code_of_the_provider_that_is_of_another_login_lets_nobody_in(
    sso: SingleSignOn, provider: FakeProvider
) -> None:
    _state, stolen = provider.browse(begin(sso), "victim")
    mine, _code = provider.browse(begin(sso), "mallory")
    returned = sso.come_back(mine, stolen, origin=BROWSER)
    assert returned.code is None and returned.trouble and returned.trouble.code is Code.LOGIN_REFUSED


def test_time_is_short(house: House, sso: SingleSignOn, provider: FakeProvider) -> None:
    state, code = provider.browse(begin(sso), "grace")
    house.now += BEGUN_FOR
    with pytest.raises(NotAllowed) as error:
        sso.come_back(state, code, origin=BROWSER)
    assert error.value.code is Code.LOGIN_EXPIRED
    late = code_of(sso, provider)
    house.now += CODE_FOR
    assert refused(sso, late) is Code.LOGIN_EXPIRED


def test_what_goes_wrong_there_is_told_to_whoever_began_it(house: House, sso: SingleSignOn) -> None:
    provider = sso.provider
    assert isinstance(provider, FakeProvider)
    for reason, told in (("access_denied", "access_denied"), ("<script>", "?")):
        state, _code = provider.browse(begin(sso), "grace")
        returned = sso.come_back(state, "", reason, origin=BROWSER)
        assert returned.return_to == BACK and returned.trouble and told in returned.trouble.detail
        assert "<" not in returned.trouble.detail
    state, code = provider.browse(begin(sso), "ada")
    returned = sso.come_back(state, code, origin=BROWSER)
    assert returned.trouble and returned.trouble.code is Code.NAME_TAKEN, "that is a local account's"
    failures = [one.thing for one in house.farm.audit.after(house.admin) if one.act == "login.fail"]
    assert failures == ["user:", "user:", "user:ada"]


def test_who_is_suspended_meanwhile_stays_out(house: House, sso: SingleSignOn, provider: FakeProvider) -> None:
    code = code_of(sso, provider)
    house.farm.accounts.suspend(house.admin, "grace")
    assert refused(sso, code) is Code.ACCOUNT_SUSPENDED
    returned = sso.come_back(*provider.browse(begin(sso), "grace"), origin=BROWSER)
    assert returned.trouble and returned.trouble.code is Code.ACCOUNT_SUSPENDED


@pytest.mark.parametrize(
    "return_to",
    [
        "https://evil.example.org/",
        "http://127.0.0.1.evil.example.org:80/",
        "http://127.0.0.1:80@evil.example.org/",
        "http://localhost:4000/",
        "http://127.0.0.1/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:4000/x?y=z",
        "http://127.0.0.1:4000/x\nLocation: y",
        "http://127.0.0.1:4000",
        "//127.0.0.1:4000/",
        "javascript:alert(1)",
    ],
)
def test_nobody_is_sent_anywhere_but_to_their_own_machine(sso: SingleSignOn, return_to: str) -> None:
    with pytest.raises(Invalid):
        begin(sso, return_to)


@pytest.mark.parametrize("challenge", ["", "c" * 42, "c" * 44, "=" * 43, VERIFIER])
def test_a_challenge_is_one(sso: SingleSignOn, challenge: str) -> None:
    with pytest.raises(Invalid):
        sso.begin(challenge, BACK, origin=HOME)


def test_no_more_are_under_way_than_fit_and_those_that_are_over_go(house: House, sso: SingleSignOn) -> None:
    begin(sso)
    with house.records.write() as tx:
        [one] = tx.pending_logins()
        for number in range(UNDER_WAY_FROM_ONE - 1):
            tx.add(replace(one, id=f"{number:016x}"))
    with pytest.raises(Conflict) as error:
        begin(sso)
    assert error.value.code is Code.LOGINS_TOO_MANY
    begin(sso, origin="198.51.100.7")
    house.now += BEGUN_FOR + timedelta(seconds=1)
    begin(sso)
    with house.records.read() as records:
        assert len(records.pending_logins()) == 1


def test_a_farm_without_a_provider_says_so() -> None:
    with records_with() as records:
        sso = House.bare(records).farm.sso
        assert not sso.is_offered
        with pytest.raises(NotFound) as error:
            begin(sso)
        assert error.value.code is Code.PROVIDER_UNKNOWN


def test_a_provider_that_is_away_leaves_nothing_under_way(house: House, sso: SingleSignOn) -> None:
    assert isinstance(sso.provider, FakeProvider)
    sso.provider.is_away = True
    with pytest.raises(FarmError) as error:
        begin(sso)
    assert error.value.code is Code.PROVIDER_FAILED
    with house.records.read() as records:
        assert records.pending_logins() == []


def test_no_code_and_no_state_is_kept_in_clear(house: House, sso: SingleSignOn, provider: FakeProvider) -> None:
    state, theirs = provider.browse(begin(sso), "grace")
    returned = sso.come_back(state, theirs, origin=BROWSER)
    begun, _code = provider.browse(begin(sso), "grace")
    assert returned.code
    with house.records.read() as records:
        dump = "\n".join(records._connection.connection.driver_connection.iterdump())  # type: ignore[attr-defined]
    for secret in (state, begun, returned.code.reveal(), VERIFIER, theirs):
        assert secret not in dump and secret not in repr(returned)
