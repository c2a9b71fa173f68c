"""How a board that was restarted arrives: what is seen of it in order, and why it does not come where it should."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Set
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, NoReturn

from boardgrid.agent.site import World
from boardgrid.finishing import ended
from boardgrid.messages import _
from boardgrid.model.board import Boot
from boardgrid.model.errors import Blame, Code, Fault
from boardgrid.model.wish import BoardWish, Deployed
from boardgrid.ports import Sighting, Sign

HOLDING = "holding"  # the folder of every file that a board in the holding entry fetches
_LABELS_MOST = 8
_STAMP = re.compile(r"^\s*\[ *\d+\.\d+\] ")  # of the kernel's log
_LINE_MOST = 300  # letters of a line that are looked at: a board prints what it likes, in lines as long as it likes
_PANICS = ("Kernel panic - not syncing", "Unable to mount root fs")
_REFUSALS = (  # of U-Boot: bootz, booti, bootm, and what they ask of initrd and device tree
    *("zimage: Bad magic", "Bad Linux ARM zImage magic", "Bad Linux ARM64 Image magic", "Bad Linux RISCV Image magic"),
    *("Wrong Image Format for", "Wrong Image Type for", "Wrong Ramdisk Image Format", "Bad Magic Number"),
    *("Bad Header Checksum", "Bad Data CRC", "Bad Data Hash", "Unsupported Architecture 0x", "can't get kernel image"),
    *("Ramdisk image is corrupt", "image is not a fdt", "Did not find a cmdline Flattened Device Tree"),
)
_REFUSALS_OF_GRUB = (  # each after "error: "
    *("invalid magic number", "you need to load the kernel first", "plain image kernel not supported"),
)


class Signs:
    """The last of each sign that one board gave, and of each folder of its boot files from which it fetched."""

    def __init__(self) -> None:
        self._last: dict[Sign, Sighting] = {}
        self._fetched: dict[str, float] = {}
        self.stirred = asyncio.Event()  # set by each that comes

    def saw(self, sighting: Sighting) -> None:
        self._last[sighting.sign] = sighting
        if sighting.sign is Sign.TFTP:
            label = sighting.what.partition("/")[0]
            self._fetched.pop(label, None)
            self._fetched[label] = sighting.at_s
            for oldest in list(self._fetched)[:-_LABELS_MOST]:
                del self._fetched[oldest]
        self.stirred.set()

    def fetched_s(self, label: str) -> float:
        """When it last fetched a file of that deployment, or of the holding entry; minus infinity: never."""
        return self._fetched.get(label, float("-inf"))

    def since(self, at_s: float) -> list[Sighting]:
        """Those that were given since then, in their order."""
        return sorted((seen for seen in self._last.values() if seen.at_s >= at_s), key=lambda seen: seen.at_s)

    def asked_to_hold(self) -> float:
        """When it last fetched a file of the holding entry, and nothing else after it; else minus infinity."""
        return self.fetched_s(HOLDING) if list(self._fetched)[-1:] == [HOLDING] else float("-inf")


@dataclass
class Arrival:
    """
    One board on its way since *since_s*. *peers* are connections to the NFS server that were there before.

    *note* tells of each sign once.
    """

    world: World
    signs: Signs
    wished: BoardWish
    since_s: float
    peers: Set[tuple[IPv4Address, int]]
    note: Callable[[str], None]
    _told: set[Sign] = field(default_factory=set)

    async def awaited(self, console: "Console | None" = None) -> None:
        """
        Return when it is where it was wished to be.

        Args:
            console: where a kernel that panics says so, and a bootloader that refuses it.

        Raises:
            Fault: it does not come; the blame tells whose fault that is.
        """
        limit_s = max(1.0, self.since_s + self.wished.type.boot_s - self.world.clock.now_s())
        wish = self.wished.wish
        try:
            async with asyncio.timeout(limit_s):
                arriving = self._comes_up(wish) if isinstance(wish, Deployed) else self._comes_to_wait()
                await (self._unless_it_ends(arriving, console) if console else arriving)
        except TimeoutError as error:
            raise await self._diagnosis() from error

    async def _comes_up(self, wish: Deployed) -> None:
        """Seen in order: a request for an address or a file, the NFS mount, SSH with this deployment's own host key."""
        tree = await self.world.roots.seen(wish.root)
        while True:
            self._tell_new_signs()
            if await self._is_mounted():
                if await self._voice() == (tree.host_key if tree else None):
                    self.note(_("ssh: the deployment's own host key"))
                    return
                await self.world.clock.sleep(self.world.pace.ssh_every_s)
            else:
                await self._next_sign()

    async def _unless_it_ends(self, arriving: Coroutine[Any, Any, None], console: "Console") -> None:
        tasks = [asyncio.ensure_future(arriving), asyncio.ensure_future(self._fails(console))]
        try:
            done, _others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await ended(*tasks)

    async def _fails(self, console: "Console") -> NoReturn:
        pace, board = self.world.pace, self.wished.board.name
        while (found := await console.last_word(self._can_fail)) is None:
            await self.world.clock.sleep(pace.console_every_s)
        await self.world.clock.sleep(pace.console_every_s)
        await console.last_word(self._can_fail)  # it says more of it, unless it restarts already
        code, line = found
        raise Fault(
            code,
            _("the kernel of {board} panicked: {line}")
            if code is Code.KERNEL_PANICKED
            else _("the bootloader of {board} did not take what it was to boot: {line}"),
            hint=_("its console shows how far it came"),
            blame=Blame.IMAGE,
            board=board,
            line=_STAMP.sub("", line),
        )

    def _can_fail(self) -> set[Code]:
        """What a line of its console may tell of this boot by now."""
        fails, wish = set[Code](), self.wished.wish
        # Before its first sign the system that goes down may panic, for its root is fenced. A flashed board gives none.
        if self.wished.board.boot is Boot.FLASHED or {seen.sign for seen in self.signs.since(self.since_s)} & {
            Sign.DHCP,
            Sign.TFTP,
        }:
            fails.add(Code.KERNEL_PANICKED)
        # Before it has fetched these, a bootloader tries what lies on other media.
        if isinstance(wish, Deployed) and self.signs.fetched_s(str(wish.deployment)) >= self.since_s:
            fails.add(Code.KERNEL_REFUSED)
        return fails

    async def _is_mounted(self) -> bool:
        # An old kernel that only connects anew asks for no file before.
        if Sign.TFTP not in self._told and self.wished.board.boot is not Boot.FLASHED:
            return False
        new = await self.world.sightings.nfs_peers() - self.peers
        return Sign.NFS in self._told or self.wished.board.address in {address for address, _port in new}

    async def _comes_to_wait(self) -> None:
        while True:
            self._tell_new_signs()
            if self.signs.asked_to_hold() >= self.since_s:
                return
            await self._next_sign()

    def _tell_new_signs(self) -> None:
        self.signs.stirred.clear()
        for seen in self.signs.since(self.since_s):
            if seen.sign not in self._told:
                self._told.add(seen.sign)
                self.note(f"{seen.sign}: {seen.what}")

    async def _next_sign(self) -> None:
        """
        Raises:
            Fault: BOARD_SILENT, a board that gave no sign at all should have given one by now.
        """
        # The first that is seen of a flashed board is its NFS mount, near the end of its boot.
        is_late_sign = self._told or self.wished.board.boot is Boot.FLASHED
        patience_s = self.wished.type.boot_s * (1 if is_late_sign else self.world.pace.first_sign_share)
        left_s = self.since_s + patience_s - self.world.clock.now_s()
        try:
            async with asyncio.timeout(max(0.0, left_s)):
                await self.signs.stirred.wait()
        except TimeoutError as error:
            raise silent(self.wished) from error

    async def _voice(self) -> str:
        return await voice_of(self.world, self.wished)

    async def _diagnosis(self) -> Fault:
        """Why a board is not up in time, from how far it came."""
        board, facts = self.wished.board, {"board": self.wished.board.name, "boot_s": self.wished.type.boot_s}
        signs = {seen.sign for seen in self.signs.since(self.since_s)}
        if not signs or (signs == {Sign.NFS} and board.boot is not Boot.FLASHED):
            return silent(self.wished)
        wish, answers = self.wished.wish, bool(await self._voice())
        label = str(wish.deployment) if isinstance(wish, Deployed) else HOLDING
        # From there on all that runs is the image's; before, nothing is.
        has_fetched = self.signs.fetched_s(label) >= self.since_s
        if answers and not has_fetched:
            return Fault(
                Code.BOARD_WRONG_ROOT,
                _("{board} answers SSH with another host key: it runs another root than the one it was given"),
                hint=_("its bootloader may mount a fixed path or boot from its own storage: see how to add a board"),
                blame=Blame.BOARD,
                **facts,
            )
        if not has_fetched and board.boot is not Boot.FLASHED:
            return Fault(
                Code.BOARD_SILENT,
                _("{board} restarted but did not fetch its kernel within {boot_s:g} s"),
                hint=_("does its bootloader ask the network first? see how to add a board"),
                blame=Blame.BOARD,
                **facts,
            )
        if Sign.NFS not in signs:
            return Fault(
                Code.ROOT_NOT_MOUNTED,
                _("{board} began to boot but did not mount its root within {boot_s:g} s"),
                hint=_("the image's kernel needs this board's network driver and NFS, built in or in its initramfs"),
                blame=Blame.IMAGE if has_fetched else Blame.BOARD,
                **facts,
            )
        if answers:
            return Fault(
                Code.SSH_OTHER_KEY,
                _("{board} booted its own files, but answers SSH with another host key than its root was given"),
                hint=_("does the image's sshd_config name a HostKey of its own? The farm writes ssh_host_ed25519_key"),
                blame=Blame.IMAGE,
                **facts,
            )
        return Fault(
            Code.SSH_SILENT,
            _("{board} mounted its root but did not answer SSH within {boot_s:g} s"),
            hint=_("does the image start an SSH server at boot? its console shows where it stopped"),
            blame=Blame.IMAGE,
            **facts,
        )


@dataclass(slots=True)
class Console:
    """What a board prints. *before* it was restarted it may have printed the same."""

    tail: Callable[[], Awaitable[tuple[str, ...]]]
    before: tuple[str, ...] = ()
    last_words: tuple[str, ...] = ()  # those around the end of a boot that failed
    _too_early: dict[Code, tuple[str, ...]] = field(default_factory=dict)  # what was there before it could fail so

    async def last_word(self, can_fail: Callable[[], Set[Code]]) -> tuple[Code, str] | None:
        """
        The line in which a kernel says that it gives up, or a bootloader that it boots nothing; None: none does.

        Args:
            can_fail: how the boot may fail by now. What was printed before it could tells of something else.
        """
        tail = await self.tail()
        possible = can_fail()  # asked last: no sign is older than it is thought to be
        for code, tells in _TELLS.items():
            if code not in possible:
                self._too_early[code] = tail
                continue
            said = since(self._too_early.get(code, self.before), tail)
            line = next((head for line in said if tells(head := line[:_LINE_MOST].strip())), None)
            if line is not None:
                self.last_words = since(self.before, tail)
                return code, line
        return None


def _panics(line: str) -> bool:
    return any(words in line for words in _PANICS)


def _refuses(line: str) -> bool:
    _before, _error, said = line.partition("error: ")
    return any(words in line for words in _REFUSALS) or any(words in said for words in _REFUSALS_OF_GRUB)


_TELLS = {Code.KERNEL_PANICKED: _panics, Code.KERNEL_REFUSED: _refuses}


def since(before: tuple[str, ...], tail: tuple[str, ...]) -> tuple[str, ...]:
    """The lines of *tail* that were printed after those *before*, of which the first may be gone by now."""
    known = next((count for count in range(len(before), 0, -1) if before[-count:] == tail[:count]), 0)
    return tail[known:]


async def voice_of(world: World, wished: BoardWish) -> str:
    """The host key that answers on the board's SSH port; empty where none does."""
    try:
        return await world.host_keys.of(wished.board.address, world.pace.look_s)
    except Fault:
        return ""


def silent(wished: BoardWish) -> Fault:
    return Fault(
        Code.BOARD_SILENT,
        _("{board} gave no sign of life: no DHCP, no TFTP, no NFS"),
        hint=_("check its power, its network cable, and the MAC address {mac} in its record"),
        blame=Blame.BOARD,
        board=wished.board.name,
        mac=wished.board.mac,
    )
