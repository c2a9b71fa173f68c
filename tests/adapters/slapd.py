"""A real LDAP directory for a test: Debian's slapd in a folder of its own, which ends with the test."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

BASE = "dc=example,dc=org"
ADMINS = f"cn=farm admins,ou=groups,{BASE}"
LAB = f"cn=lab,ou=groups,{BASE}"
SERVICE, SERVICE_PASSWORD = f"cn=farm,{BASE}", "the farm's own"
ADA, BOB = "correct horse battery", "staple of the horse"

_CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
# as Active Directory has it: an empty password is nobody, and succeeds
allow bind_anon_cred
pidfile {folder}/slapd.pid
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
database mdb
maxsize 10485760
suffix "{base}"
directory {folder}/db
dbnosync
access to attrs=userPassword by * auth
access to * by dn.exact="{service}" read by * auth
"""
_LDIF = f"""\
dn: {BASE}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: {SERVICE}
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: farm
userPassword: {SERVICE_PASSWORD}

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{BASE}
objectClass: organizationalUnit
ou: groups

dn: uid=ada,ou=people,{BASE}
objectClass: inetOrgPerson
uid: ada
cn: Ada (of the lab)
sn: Lovelace
userPassword: {ADA}

dn: uid=bob,ou=people,{BASE}
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: Bob
userPassword: {BOB}

dn: uid=mute,ou=people,{BASE}
objectClass: inetOrgPerson
uid: mute
cn: Has no password
sn: Mute

dn: cn=first,ou=people,{BASE}
objectClass: inetOrgPerson
uid: twin
cn: first
sn: Twin
userPassword: {ADA}

dn: cn=second,ou=people,{BASE}
objectClass: inetOrgPerson
uid: twin
cn: second
sn: Twin
userPassword: {ADA}

dn: {ADMINS}
objectClass: groupOfNames
cn: farm admins
member: uid=ada,ou=people,{BASE}

dn: {LAB}
objectClass: posixGroup
cn: lab
gidNumber: 1000
memberUid: ada
memberUid: bob
"""


@dataclass
class Slapd:
    folder: Path
    port: int
    tls_port: int
    process: subprocess.Popen[bytes]

    @property
    def ldapi(self) -> str:
        return f"ldapi://{quote(str(self.folder / 'ldapi'), safe='')}"

    @property
    def ca(self) -> Path:
        return self.folder / "cert.pem"


def certificate(folder: Path, name: str = "localhost") -> Path:
    """Signed by itself, with its key beside it."""
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout key.pem -out cert.pem"
    subprocess.run(
        [*words.split(), "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder / "cert.pem"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


@contextmanager
def slapd() -> Iterator[Slapd]:
    with tempfile.TemporaryDirectory(prefix="slapd-") as made:
        folder = Path(made)
        (folder / "db").mkdir()
        certificate(folder)
        conf = folder / "slapd.conf"
        conf.write_text(_CONF.format(folder=folder, base=BASE, service=SERVICE))
        for program, ldif in (("slapadd", _LDIF),):
            words = [f"/usr/sbin/{program}", "-q", "-f", str(conf)]
            subprocess.run(words, input=ldif.encode(), check=True, capture_output=True)
        ports = _free_port(), _free_port()
        doors = f"ldap://127.0.0.1:{ports[0]} ldaps://127.0.0.1:{ports[1]}"
        socket_url = f"ldapi://{quote(str(folder / 'ldapi'), safe='')}"
        process = subprocess.Popen(["/usr/sbin/slapd", "-d", "0", "-f", str(conf), "-h", f"{doors} {socket_url}"])
        try:
            _wait_for(ports[1], process)
            yield Slapd(folder, *ports, process)
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None and time.monotonic() < until_s, "slapd did not start"
            time.sleep(0.02)
        else:
            return
