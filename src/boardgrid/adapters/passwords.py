"""Passwords by argon2id, with the costs that its makers keep current."""

from pwdlib import PasswordHash

# Of nobody's password, with today's costs: comparing with it takes as long as with a real one. A test keeps it so.
_NOBODYS = "$argon2id$v=19$m=65536,t=3,p=4$s2FPzGn3z7UrIBnKauijWQ$7zRKQmBdvYYkKIFplNHT6O6WAoz4V72PVpDoGDK8O8s"


class ArgonPasswords:
    def __init__(self) -> None:
        self._hasher = PasswordHash.recommended()

    def hashed(self, password: str) -> str:
        return self._hasher.hash(password)

    def is_right(self, password: str, hashed: str | None) -> bool:
        is_same = self._hasher.verify(password, hashed or _NOBODYS)
        return is_same and hashed is not None
