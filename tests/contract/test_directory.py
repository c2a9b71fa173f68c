"""A directory tells who has a name and a password there, and lets nobody in for a name that is made to deceive it."""

from collections.abc import Iterator

import pytest

from boardgrid.adapters.ldap import LdapDirectory, LdapSettings
from boardgrid.model.user import Secret
from boardgrid.ports import Directory
from boardgrid.testing import FakeDirectory
from tests.adapters.slapd import ADA, ADMINS, BASE, BOB, LAB, SERVICE, SERVICE_PASSWORD, Slapd, slapd


@pytest.fixture(scope="module")
def server() -> Iterator[Slapd]:
    with slapd() as server:
        yield server


@pytest.fixture(params=["fake", "slapd"])
def directory(request: pytest.FixtureRequest) -> Directory:
    if request.param == "fake":
        fake = FakeDirectory()
        fake.put("ada", ADA, ADMINS, LAB)
        fake.put("bob", BOB, LAB)
        return fake
    url = request.getfixturevalue("server").ldapi
    groups = frozenset((ADMINS, LAB, f"cn=nothing,ou=groups,{BASE}"))
    secret = Secret(SERVICE_PASSWORD)
    return LdapDirectory(LdapSettings(url, f"ou=people,{BASE}", bind_dn=SERVICE, bind_password=secret, groups=groups))


def test_who_knows_name_and_password_is_told_with_their_groups(directory: Directory) -> None:
    ada, bob = directory.check("ada", ADA), directory.check("bob", BOB)
    assert ada and bob
    assert (ada.source, ada.name, set(ada.groups)) == ("ldap", "ada", {ADMINS, LAB})
    assert bob.groups == {LAB}
    assert ada.external_id and ada.external_id != bob.external_id
    assert directory.check("ada", ADA) == ada, "and is the same every time"


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", BOB),
        ("ada", ""),
        ("ada", "\0"),
        ("ada", ADA + "\0"),
        ("nobody", ADA),
        ("nobody", ""),
        ("mute", ADA),
        ("mute", ""),
        ("twin", ADA),
        ("", ADA),
        ("*", ADA),
        ("a*", ADA),
        ("*)(uid=*", ADA),
        ("ada)(uid=ada", ADA),
        ("nobody)(|(uid=ada", ADA),
        ("ad\\61", ADA),
        ("ad\u00ada", ADA),
        (" ada", ADA),
        ("ada\0", ADA),
        ("\udce9", "\udce9"),
        ("ada", "\u200b"),
        ("ada", "\u00ad\ufe00"),
        ("ada", "\a"),
        ("ada", "\ue000"),
        ("ada", "\u0627a"),
        ("ada", "\ud800"),
        ("ada", "x" * 100_000),
        ("a" * 5000, ADA),
        (f"uid=ada,ou=people,{BASE}", ADA),
    ],
)
def test_whatever_is_wrong_it_is_nobody(directory: Directory, name: str, password: str) -> None:
    assert directory.check(name, password) is None
