import re
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from boardgrid.daemon import config
from boardgrid.daemon.config import Listen, NfsServer, Public
from boardgrid.model.board import DhcpMode
from boardgrid.model.errors import Invalid


def written(folder: Path, text: str) -> Path:
    file = folder / "boardgrid.toml"
    file.write_text(text)
    return file


LDAP = '[login.ldap]\nurl = "ldaps://ldap.example.org"\n'
OIDC = '[login.oidc]\nissuer = "https://sso.example.org"\n'
REAL = '[site]\ninterface = "eth1"\nserver = "10.1.0.1/24"\n'


def test_a_virtual_farm_needs_one_line(tmp_path: Path) -> None:
    read = config.read(written(tmp_path, "[lab]\nvirtual = true\n"))
    assert read.state == tmp_path
    assert (read.site.interface, read.site.server) == ("br0", IPv4Interface("10.20.0.1/24"))
    assert read.controller.listen == Listen(IPv4Address("127.0.0.1"), 8470)
    assert read.agent.nfs is NfsServer.AUTO


def test_every_key_reaches_the_farm(tmp_path: Path) -> None:
    text = """
        state = "/srv/farm"
        [controller]
        listen = "127.0.0.1:9000+"
        user = "ada"
        root_mib = 512
        database = "postgresql://farm:hush@db.example.org/farm?sslmode=verify-full"
        [gateway]
        listen = "0.0.0.0:22"
        public = "gate.example.org:2222"
        user = "eve"
        [agent]
        import_dirs = ["/srv/images"]
        window = 7
        nfs = "knfsd"
        overcommit = true
        holding = "/srv/holding"
        packages = "/srv/packages"
        [site]
        name = "grenoble"
        domain = "example.org"
        interface = "eth1"
        server = "10.1.0.1/16"
        dhcp = "proxy"
        [lab]
        virtual = false
    """
    read = config.read(written(tmp_path, text))
    assert read.state == Path("/srv/farm")
    database = read.controller.database
    assert database is not None and database.reveal().startswith("postgresql://farm:hush@db.example.org/farm")
    assert "hush" not in repr(read)
    assert read.controller == config.ControllerConfig(
        listen=Listen(IPv4Address("127.0.0.1"), 9000, True), user="ada", root_mib=512, database=database
    )
    assert read.gateway == config.GatewayConfig(
        listen=Listen(IPv4Address("0.0.0.0"), 22), public=Public("gate.example.org", 2222), user="eve"
    )
    assert read.agent == config.AgentConfig(
        import_dirs=(Path("/srv/images"),),
        window=7,
        nfs=NfsServer.KNFSD,
        overcommit=True,
        holding=Path("/srv/holding"),
        packages=Path("/srv/packages"),
    )
    assert (read.site.name, read.site.domain, read.site.interface) == ("grenoble", "example.org", "eth1")
    assert (read.site.server, read.site.dhcp) == (IPv4Interface("10.1.0.1/16"), DhcpMode.PROXY)
    assert not read.lab.virtual


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[site", "is no TOML"),
        ('stat = "/srv"', "stat: there is no such key, did you mean state?"),
        ('[controler]\nuser = "a"', "controler: there is no such key, did you mean controller?"),
        ("[agent]\nwindows = 3", "agent.windows: there is no such key, did you mean window?"),
        ("[agent]\nwindow = 0", "agent.window: should be 1 or more"),
        ('[agent]\nnfs = "zfs"', "agent.nfs: should be 'auto', 'ganesha' or 'knfsd'"),
        ('[agent]\nimport_dirs = ["images"]', "agent.import_dirs.0: should be a path that begins with /"),
        ('[controller]\nlisten = "8470"', "controller.listen: should be an address and a port"),
        ('[controller]\ndatabase = "farm.db"', "controller.database: should be the URL of a database"),
        ('[controller]\ndatabase = "mysql://db/farm"', "controller.database: should be the URL of a database"),
        ('[controller]\ndatabase = "postgresql://db"', "controller.database: should be the URL of a database"),
        ('[controller]\ndatabase = "postgresql://db:x/farm"', "controller.database: should be the URL of a database"),
        (
            '[controller]\ndatabase = "postgresql:///farm?password=x"',
            "controller.database: has user and password behind",
        ),
        ('[gateway]\nlisten = "127.0.0.1:70000"', "gateway.listen: should be an address and a port"),
        (f'{REAL}[gateway]\nlisten = "0.0.0.0:2270"', "gateway.public: is missing: the gateway listens on every"),
        ('[gateway]\npublic = "gate.example.org"', "gateway.public: should be a name or an address, and a port"),
        ('[gateway]\npublic = "0.0.0.0:2270"', "gateway.public: should be a name or an address, and a port"),
        ('[gateway]\npublic = "[::]:2270"', "gateway.public: should be a name or an address, and a port"),
        ('[gateway]\npublic = "-oProxyCommand=x:22"', "gateway.public: should be a name or an address, and a port"),
        ('[notices]\nsmtp = "mail.example.org"', "notices.smtp: should be a mail server"),
        ('[notices]\nsmtp = "http://mail.example.org"', "notices.smtp: should be a mail server"),
        (f'{REAL}[notices]\nsmtp = "smtps://mail"', "notices.sender: is missing"),
        ('[notices]\nsender = "boards"', "notices.sender: should be an e-mail address"),
        (f'{REAL}[notices]\nuser = "boards"', "notices.user: needs notices.password"),
        (
            f'{REAL}[notices]\nsmtp = "smtp://a"\nsender = "a@b"\nuser = "a"\npassword = "/p"',
            "notices.smtp: a password does not go over the wire in clear",
        ),
        ('[notices]\nwebhook_networks = ["10.0.0.1/8"]', "should be a network"),
        ('[notices]\nwebhook_hosts = ["https://chat"]', "should be a host in small letters"),
        ("[booking]\nidle_after_min = 1", "booking.idle_after_min: should be 5 or more"),
        ('[lab]\nvirtual = "perhaps"', "lab.virtual: should be true or false"),
        ('[site]\nname = "My Lab"', "site.name: 'My Lab' is no name for a site"),
        ('[site]\ndomain = "-"', "site.domain: should be a domain"),
        ('state = "/run/farm"', "state: cannot lie below /run"),
        ("", "site.interface: is missing"),
        ('[site]\ninterface = "eth0; reboot"\nserver = "10.0.0.1/24"', "is no name of a network interface"),
        ('[site]\ninterface = "eth0"', "site.server: should be this machine's address"),
        ('[site]\ninterface = "eth0"\nserver = "10.0.0.0/24"', "site.server: should be this machine's address"),
        ('[site]\ninterface = "eth0"\nserver = "10.0.0.1/33"', "site.server: "),
        ('[controller]\npublic = "farm.example.org"', "controller.public: should be a URL"),
        ('[controller]\npublic = "https://u:p@farm.example.org"', "controller.public: should be a URL"),
        ('[login.ldap]\nurl = "http://ldap.example.org"', "login.ldap.url: should be a URL"),
        ('[login.ldap]\nurl = "ldaps://ldap.example.org:x"', "login.ldap.url: should be a URL"),
        (f"{LDAP}[lab]\nvirtual = true", "login.ldap.base: is missing"),
        (f'{LDAP}base = "x"\nfilter = "(uid=ada)"', "login.ldap.filter: should have {name} in it"),
        (f'{LDAP}base = "x"\nbind_dn = "cn=x"', "login.ldap.bind_dn: comes together with"),
        (f'{LDAP}rol = "none"', "login.ldap.rol: there is no such key, did you mean role?"),
        (f'{LDAP}role = "admin"', "login.ldap.role: should be 'user', 'guest' or 'none'"),
        ('[login.oidc]\nissuer = "http://sso.example.org"', "login.oidc.issuer: should be a URL"),
        ('[login.oidc]\nissuer = "http://127.0.0.1:9400"', "login.oidc.client_id: is missing"),
        (f'{OIDC}client_id = "b"', "login.oidc.client_secret_file: is missing"),
        (f'{OIDC}client_id = "b"\nclient_secret_file = "/s"', "controller.public: is missing"),
    ],
)
def test_each_complaint_names_file_and_key(tmp_path: Path, text: str, complaint: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(Invalid, match=re.escape(complaint)) as caught:
        config.read(file)
    assert str(caught.value).startswith(f"{file}: ")


@pytest.mark.parametrize(
    "url", ["postgres://farm:hush@db/farm", "postgresql://farm:hush@db", "postgresql://a:hush@d:x/f"]
)
def test_a_password_is_in_no_complaint(tmp_path: Path, url: str) -> None:
    with pytest.raises(Invalid) as caught:
        config.read(written(tmp_path, f'[controller]\ndatabase = "{url}"\n{REAL}'))
    assert "controller.database" in str(caught.value)
    assert "hush" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("url", "is_encrypted_later"),
    [
        ("ldap://ldap.example.org", True),
        ("ldap://10.0.0.1:3389", True),
        ("ldap://localhost.example.org", True),
        ("ldap://127.0.0.1.example.org", True),
        ("ldap://127.0.0.1:389", False),
        ("ldap://localhost", False),
        ("ldap://[::1]", False),
        ("ldaps://ldap.example.org", False),
        ("ldapi://%2Frun%2Fslapd%2Fldapi", False),
    ],
)
def test_passwords_leave_this_machine_encrypted(url: str, is_encrypted_later: bool) -> None:
    assert config.LdapConfig(url=url).starttls is is_encrypted_later


@pytest.mark.parametrize(
    ("public", "told"),
    [
        ("", Public("10.1.0.1", 2270)),
        ('public = "gate.example.org:22"', Public("gate.example.org", 22)),
        ('public = "192.0.2.7:22"', Public("192.0.2.7", 22)),
        ('public = "[2001:db8::7]:22"', Public("2001:db8::7", 22)),
    ],
)
def test_people_are_told_the_public_address_and_else_where_the_gateway_listens(
    tmp_path: Path, public: str, told: Public
) -> None:
    read = config.read(written(tmp_path, f'[gateway]\nlisten = "10.1.0.1:2270"\n{public}\n{REAL}'))
    assert read.told("10.1.0.1", 2270) == told


def test_a_config_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"nowhere\.toml: cannot be read: No such file"):
        config.read(tmp_path / "nowhere.toml")


def test_a_state_folder_too_deep_for_unix_sockets_is_refused(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)
    with pytest.raises(Invalid, match="too long for a Unix socket"):
        config.read(written(tmp_path, f'state = "{deep}"\n{REAL}'))
