"""``boardgrid image``: what boards boot."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from boardgrid.client import sending
from boardgrid.client.answers import Adaptation, Errand, Image
from boardgrid.client.archive import archive_of, labels_in, opened
from boardgrid.client.command import IMAGES, Noun
from boardgrid.client.commands import workshop
from boardgrid.client.complaint import IMAGE_FAILED, REQUEST_INVALID, Complaint, ExitCode
from boardgrid.client.duration import seconds
from boardgrid.client.farm import Farm
from boardgrid.client.images import LONGEST_S, SHEET, fact, ready, state_of, versions
from boardgrid.client.lineage import drawn
from boardgrid.client.progress import measured
from boardgrid.client.reading import check_has_folder
from boardgrid.client.seat import Seat, pass_seat
from boardgrid.client.tables import Column, Sheet, plain
from boardgrid.client.waiting import left_by_ctrl_c, until
from boardgrid.messages import _, bytes_text


def _found(errand: Errand) -> str:
    """What a verification found out, where it is one and has ended."""
    if errand.kind != "verify" or errand.state != "done":
        return errand.state
    return "damaged" if errand.reason else "sound"


ERRANDS: Sheet[Errand] = Sheet(
    lambda errand: errand.image,
    (
        Column("IMAGE", lambda errand: errand.image),
        Column("ERRAND", lambda errand: errand.kind),
        Column("STATE", _found, is_state=True),
        # Of an export, which is shown alone.
        Column("SIZE", lambda errand: bytes_text(errand.size_bytes) if errand.size_bytes else "", is_detail=True),
        Column("REASON", lambda errand: errand.reason),
    ),
)


ADAPTATIONS: Sheet[Adaptation] = Sheet(
    lambda one: one.name,
    (
        Column("ADAPTATION", lambda one: one.name),
        Column("WHEN", lambda one: ", ".join(one.moments)),
        Column("CAN BE LEFT OUT", lambda one: one.may_be_left_out),
        Column("WHAT", lambda one: one.what),
    ),
)


@click.group(cls=Noun)
def image() -> None:
    """Import, build, test, show, describe, verify, export and remove images."""


def _as_visibility(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str | None, str | None]:
    """``project:robots`` as the two words that the farm knows it by."""
    if value is None or value in {"private", "public"}:
        return value, None
    word, _colon, project = value.partition(":")
    if word != "project" or not project:
        raise click.BadParameter(_("it is private, public or project:NAME"))
    return word, project


def _as_labels(_ctx: click.Context, _param: click.Parameter, values: Iterable[str]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if any(not name or not equals for name, equals, _value in pairs):
        raise click.BadParameter(_("a label looks like purpose=ci"))
    return {name: value for name, _equals, value in pairs}


_visibility = click.option(
    "--visibility",
    metavar="WHO",
    callback=_as_visibility,
    help="Who sees and boots it: private (you alone), project:NAME (its members too), or public.",
)
_labels = click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_as_labels,
    help="A label: purpose=ci; may be given again.",
)
_fits = click.option(
    "--fits", "types", multiple=True, metavar="TYPE", help="Only for boards of this type; may be given again."
)


@image.command("import")
@click.argument("name")
@click.argument("source", metavar="[FILE_OR_DIR]", required=False)
@click.option(
    "--on-server",
    metavar="PATH",
    help="Take what lies on the farm's own server: a file or a folder below agent.import_dirs (for admins).",
)
@click.option("--url", metavar="URL", help="Have the farm fetch it, from below one of its agent.import_urls.")
@click.option("--sha256", metavar="HEX", help="The checksum that what lies at the URL must have.")
@click.option(
    "--partition",
    type=int,
    metavar="N",
    help="Of a disk image with several systems, the partition to take, as sfdisk --list numbers them.",
)
@click.option(
    "--bsp",
    metavar="PATH",
    help="NVIDIA's BSP, a folder of the server: its apply_binaries.sh puts drivers into the tree (for admins).",
)
@click.option(
    "--resume", is_flag=True, help="Go on with an upload that broke off; NAME is the version that waits for it."
)
@click.option("--shared", is_flag=True, help="The same as --visibility public. Without either, you alone see it.")
@_visibility
@_labels
@_fits
@click.option("--site", metavar="NAME", help="Where it is stored; may be left out where the farm has one site.")
@click.option(
    "--without",
    metavar="NAME",
    multiple=True,
    help="Leave out this adaptation: quick-packages; may be given again.",
)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it can be booted.")
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; an hour if not given.")
@pass_seat
def import_(
    seat: Seat,
    *,
    name: str,
    source: str | None,
    on_server: str | None,
    url: str | None,
    sha256: str | None,
    partition: int | None,
    bsp: str | None,
    resume: bool,
    shared: bool,
    visibility: tuple[str | None, str | None],
    labels: dict[str, str],
    types: tuple[str, ...],
    site: str | None,
    without: tuple[str, ...],
    wait: bool,
    timeout: str | None,
) -> None:
    """
    Make a new version of the image NAME. Its content is on this machine, on the farm's server (--on-server), or at a
    URL (--url).

    A file is told by its content: a tar archive, a disk image (.img, .wic, an SD card; MBR, GPT or a bare file system),
    an Android sparse image, an L4T sample root file system, an OCI archive or layout, what `docker save` or
    `boardgrid image export` wrote; each as it is, or packed with gzip, xz, zstd or bzip2. '-' reads one from standard
    input. A folder is packed with everything it holds on its own file system; a whole system is read by root alone, so
    run that with sudo.

    Of a disk with several systems --partition says which. --bsp puts NVIDIA's drivers into an L4T file system. What the
    farm changes so that a board can have it over NFS stands in `boardgrid image adaptations`; --without leaves one
    out.

    A file whose connection breaks is taken up again where it broke; where the client itself was ended, --resume does.

    \b
    Examples:
      boardgrid image import tiny tiny.tar.zst
      boardgrid image import my-card card.img.xz --partition 2
      sudo boardgrid image import mine /srv/rootfs --label purpose=ci --fits tk1
      sudo mmdebstrap --arch=armhf bookworm - | boardgrid image import debian-12 - --visibility public
      boardgrid image import mine --url https://images.example.org/mine.tar.xz --sha256 0ab1...
      boardgrid image import mine mine.tar --without quick-packages
      boardgrid image import --resume mine:2026112801 mine.tar
      boardgrid image import l4t --on-server /srv/images/rootfs.tbz2 --bsp /srv/images/Linux_for_Tegra
    """
    named = [word for word, given in (("FILE_OR_DIR", source), ("--on-server", on_server), ("--url", url)) if given]
    if not named:
        raise Complaint(REQUEST_INVALID, _("say what to import: FILE_OR_DIR, --on-server PATH or --url URL"))
    if len(named) > 1:
        sentence = _("{named} are each a content of its own, and an image has one")
        raise Complaint(
            REQUEST_INVALID,
            sentence.format(named=_(" and ").join(named)),
            hint=_("leave all of them out but one"),
        )
    timeout_s = None if timeout is None else seconds(timeout)
    farm = seat.farm()
    if resume:
        made = _resumed(farm, name, source)
    else:
        with contextlib.ExitStack() as stack:
            if source is not None:
                # Opened first: an archive that is not there leaves no image behind that waits for it.
                stack.enter_context(sending.signals_as_ctrl_c())
                archive = stack.enter_context(archive_of(source))
                labels = labels_in(archive) | labels
            made = farm.add_image(
                name,
                path=on_server,
                url=url,
                sha256=sha256,
                partition=partition,
                bsp=bsp,
                shared=shared,
                visibility=visibility[0],
                project=visibility[1],
                labels=labels,
                types=types or None,
                site=site,
                without=without,
            )
            if source is not None:
                with sending.given_up(seat, farm, made):
                    sending.send(seat, farm, made, archive)
    made = ready(seat, farm, made, timeout_s) if wait else farm.image(made.ref)
    SHEET.show(made, seat.output)


def _resumed(farm: Farm, ref: str, source: str | None) -> Image:
    if source is None or source == "-" or not Path(source).is_file():
        raise Complaint(REQUEST_INVALID, _("only the upload of a file can be resumed"))
    made = farm.image(ref)
    with opened(Path(source)) as file:
        sending.send_file(farm, made.ref, file, source, is_resumed=True)
    return made


@image.command("list")
@click.argument("text", required=False, default="")
@click.option("--name", default="", metavar="NAME", help="Only versions of this image.")
@click.option("--owner", default="", metavar="USER", help="Only this user's.")
@click.option("--type", "type_", default="", metavar="TYPE", help="Only what runs on boards of this type.")
@_labels
@pass_seat
def list_(seat: Seat, *, text: str, name: str, owner: str, type_: str, labels: dict[str, str]) -> None:
    """
    List the images that you may see. With TEXT, those that have it in their name, system or labels.

    \b
    Examples:
      boardgrid image list
      boardgrid image list bookworm --label purpose=ci
      boardgrid image list --owner ada --type tk1
    """
    images = seat.farm().images(name=name, owner=owner, type=type_, labels=labels, text=text)
    if not images and (name or owner or type_ or labels or text):
        seat.tell(_("no image is like that"))
    elif not images:
        seat.tell(_("there is no image yet; `boardgrid image import NAME FILE` makes one"))
    SHEET.show_all(images, seat.output)


@image.command("adaptations")
@pass_seat
def adaptations(seat: Seat) -> None:
    """
    List what the farm changes in images and roots. So boards can have over NFS what was made for a disk;
    `boardgrid image import --without NAME` leaves one out.
    """
    ADAPTATIONS.show_all(seat.farm().adaptations(), seat.output)


@image.command("show")
@click.argument("ref", shell_complete=IMAGES)
@pass_seat
def show(seat: Seat, ref: str) -> None:
    """
    Show one image. REF is tiny:2026112201, tiny:stable (an alias), or tiny for its newest version that is ready.

    \b
    Example:
      boardgrid image show tiny
    """
    farm = seat.farm()
    shown = farm.image(ref)
    SHEET.show(shown, seat.output)
    if shown.state == "awaited" and not seat.is_for_programs:
        _tell_how_to_go_on(seat, farm, shown)


def _tell_how_to_go_on(seat: Seat, farm: Farm, awaited: Image) -> None:
    with contextlib.suppress(Complaint):  # another's, or its content is on its way at this moment
        come = bytes_text(farm.upload_state(awaited.ref).size_bytes)
        told = _("{come} of its content has come; `boardgrid image import --resume {ref} FILE` sends the rest")
        seat.tell(told.format(come=come, ref=awaited.ref))


@image.command("tree")
@click.argument("name", required=False)
@pass_seat
def tree(seat: Seat, name: str | None) -> None:
    """
    Draw which image was made of which. With NAME, only what it descends from and what descends from it.

    \b
    Example:
      boardgrid image tree debian-12
    """
    farm = seat.farm()
    images = farm.images(gone=True)
    lines = list(drawn(images, name))
    if name and not lines:
        lines = list(drawn(images, farm.image(name).name))  # an alias; the farm complains of what it does not know
    if seat.is_for_programs:
        SHEET.show_all([one for _before, one in lines], seat.output)
        return
    for before, one in lines:
        click.echo(plain(f"{before}{one.ref}  {state_of(one)}  {', '.join(one.aliases)}".rstrip()))


@image.command("set")
@click.argument("ref", shell_complete=IMAGES)
@_visibility
@_labels
@click.option("--no-label", multiple=True, metavar="NAME", help="Take this label away; may be given again.")
@_fits
@click.option("--fits-all", is_flag=True, help="For boards of all types of its architecture.")
@pass_seat
def set_(
    seat: Seat,
    *,
    ref: str,
    visibility: tuple[str | None, str | None],
    labels: dict[str, str],
    no_label: tuple[str, ...],
    types: tuple[str, ...],
    fits_all: bool,
) -> None:
    """
    Say who sees a version, and what it is for. Its content never changes.

    \b
    Examples:
      boardgrid image set tiny --visibility project:robots
      boardgrid image set tiny:2026112201 --label purpose=ci --fits tk1
    """
    wanted = dict.fromkeys(no_label) | labels
    if not (visibility[0] or wanted or types or fits_all):
        raise Complaint(REQUEST_INVALID, _("say what to change: --visibility, --label, --no-label, --fits, --fits-all"))
    if types and fits_all:
        raise Complaint(REQUEST_INVALID, _("--fits and --fits-all say two things"))
    fits = types if types or fits_all else None
    changed = seat.farm().describe_image(
        ref, visibility=visibility[0], project=visibility[1], labels=wanted, types=fits
    )
    SHEET.show(changed, seat.output)


@image.command("alias")
@click.argument("name", shell_complete=IMAGES)
@click.argument("alias")
@click.argument("version", required=False)
@click.option("--remove", is_flag=True, help="Take the alias away.")
@pass_seat
def alias(seat: Seat, *, name: str, alias: str, version: str | None, remove: bool) -> None:
    """
    Have NAME:ALIAS mean one version. Without VERSION it is the newest that is ready. Reservations keep the version
    that they got.

    \b
    Examples:
      boardgrid image alias debian-12 stable 2026112201
      boardgrid image alias debian-12 stable --remove
    """
    if remove and version is not None:
        raise Complaint(REQUEST_INVALID, _("an alias is taken away from whichever version has it: name none"))
    if remove:
        seat.farm().remove_alias(name, alias)
        seat.show_end(
            f"{name}:{alias}", "gone", _("{name}:{alias} means nothing any more").format(name=name, alias=alias)
        )
        return
    SHEET.show(seat.farm().set_alias(f"{name}:{version}" if version else name, alias), seat.output)


@image.command("remove")
@click.argument("ref", shell_complete=IMAGES)
@click.option("--yes", is_flag=True, help="Do not ask; a program must say so.")
@pass_seat
def remove(seat: Seat, ref: str, yes: bool) -> None:
    """
    Put one version of an image into the wastebasket.

    It stays there for some days, and `image restore` takes it out. One that is being made is stopped, and gone.

    \b
    Example:
      boardgrid image remove mine:2026112801
    """
    seat.must_be_able_to_say(yes, "--yes")
    farm = seat.farm()
    meant = _meant(farm, ref)
    seat.must_say(yes, _("Remove the image {ref}?").format(ref=", ".join(meant)), "--yes")
    # Of several the farm says itself that one has to be named.
    removed = meant[0] if len(meant) == 1 else ref
    farm.remove_image(removed)
    seat.show_end(removed, "going", _("the image {ref} is removed").format(ref=removed))


def _meant(farm: Farm, ref: str) -> list[str]:
    """The versions that a name, an alias or a version means to who would remove it."""
    if ":" in ref:
        return [farm.image(ref).ref]
    there = [one.ref for one in versions(farm, ref) if one.state not in {"removed", "going"}]
    return there or [ref]


@image.command("restore")
@click.argument("ref")
@pass_seat
def restore(seat: Seat, ref: str) -> None:
    """
    Take one version of an image out of the wastebasket.

    \b
    Example:
      boardgrid image restore mine:2026112801
    """
    SHEET.show(seat.farm().restore_image(ref), seat.output)


@image.command("gc")
@click.option("--all", "everyone", is_flag=True, help="Everybody's, as far as you may; else your own.")
@click.option("--yes", is_flag=True, help="Do not ask; a program must say so.")
@pass_seat
def gc(seat: Seat, *, everyone: bool, yes: bool) -> None:
    """
    Empty the wastebasket of images. With them go those that could not be made, or whose content never came. It
    shows them, and asks.

    \b
    Example:
      boardgrid image gc
    """
    farm = seat.farm()
    waste = farm.waste(everyone=everyone)
    if not waste:
        seat.tell(_("there is nothing to be thrown away"))
        SHEET.show_all([], seat.output)
        return
    if not seat.is_for_programs:
        SHEET.show_all(waste, seat.output)
    question = _("Have {count} versions go for ever, which take {size}?")
    seat.must_say(yes, question.format(count=len(waste), size=_stored_text(waste)), "--yes")
    gone = farm.empty_waste(everyone=everyone)
    seat.tell(
        _("versions that go: {count}; room that they took: {size}").format(count=len(gone), size=_stored_text(gone))
    )
    if seat.is_for_programs:
        SHEET.show_all(gone, seat.output)


@image.command("verify")
@click.argument("refs", nargs=-1, shell_complete=IMAGES)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until all of it is read.")
@pass_seat
def verify(seat: Seat, *, refs: tuple[str, ...], wait: bool) -> None:
    """
    Hold images against their checksums. Without REFS all are read that you may change.

    What is damaged boots no more; the command then fails.

    \b
    Example:
      boardgrid image verify tiny
    """
    farm = seat.farm()
    asked = [farm.verify_image(ref) for ref in refs] if refs else list(_verify_all(farm))
    parting = _("the farm goes on reading what was asked for; `boardgrid image show IMAGE` tells what it found")
    with left_by_ctrl_c(seat, lambda: parting):
        ended = [_ended(farm, one) for one in asked] if wait else asked
    ERRANDS.show_all(ended, seat.output)
    if wrong := [one for one in ended if one.reason]:
        sentence = _("{refs}: {reason}")
        raise Complaint(
            IMAGE_FAILED, sentence.format(refs=", ".join(one.image for one in wrong), reason=wrong[0].reason)
        )


@image.command("export")
@click.argument("ref", shell_complete=IMAGES)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@pass_seat
def export(seat: Seat, *, ref: str, file: Path | None, force: bool) -> None:
    """
    Take an image away, as a file. Another farm imports it, and any tar unpacks it.

    A connection that breaks is taken up again where it broke. FILE is NAME-VERSION.tar if not given.

    \b
    Example:
      boardgrid image export tiny tiny.tar
    """
    farm = seat.farm()
    if file is not None:
        _check_free(file, force=force)
    errand = farm.export_image(ref)
    to = file or Path(f"{errand.image.replace(':', '-').replace('/', '-')}.tar")
    parting = _("the export of {image} is given up, and {path} was not written").format(image=errand.image, path=to)
    with left_by_ctrl_c(seat, lambda: parting), sending.signals_as_ctrl_c():
        try:
            _check_free(to, force=force)
            ended = _ended(farm, errand)
            if ended.state != "done":
                sentence = _("the image {ref} could not be exported: {reason}")
                raise Complaint(IMAGE_FAILED, sentence.format(ref=ref, reason=ended.reason))
            sending.fetch(farm, str(ended.id), to, ended.size_bytes)
        finally:
            with contextlib.suppress(Complaint):
                farm.forget_errand(str(errand.id))
    size = bytes_text(ended.size_bytes)
    seat.tell(_("the image {ref} is in {path} ({size})").format(ref=ended.image, path=to, size=size))
    ERRANDS.show(ended, seat.output)


def _check_free(file: Path, *, force: bool) -> None:
    if file.exists() and not file.is_file():
        raise Complaint(REQUEST_INVALID, _("{path} is no file").format(path=file))
    check_has_folder(file)
    if file.exists() and not force:
        raise Complaint(
            REQUEST_INVALID,
            _("{path} is there already").format(path=file),
            hint=_("choose another name, or say --force"),
        )


def _stored_text(images: Iterable[Image]) -> str:
    """What they take together: the same content is stored once."""
    sizes = {fact(one, "digest") or one.ref: fact(one, "stored_bytes") for one in images}
    return bytes_text(sum(size for size in sizes.values() if isinstance(size, int | float)))


def _verify_all(farm: Farm) -> Iterator[Errand]:
    for one in farm.images():
        if one.state == "ready":
            try:
                yield farm.verify_image(one.ref)
            except Complaint as error:
                if error.exit_code is not ExitCode.DENIED:
                    raise


def _ended(farm: Farm, asked: Errand) -> Errand:
    with measured(f"{asked.kind} {asked.image}") as show:

        def look() -> Errand | None:
            seen = farm.errand(str(asked.id))
            show(seen.progress)
            return seen if seen.state != "waiting" else None

        return until(look, _("the errand {errand}").format(errand=asked.id), timeout_s=LONGEST_S)


@image.command("diff")
@click.argument("ref", metavar="IMAGE", shell_complete=IMAGES)
@click.argument("since", metavar="OTHER", required=False, shell_complete=IMAGES)
@click.option("--most", metavar="N", type=click.IntRange(0), help="Show at most so many files and packages; 40.")
@click.option("--timeout", metavar="SPAN", help="Wait no longer than this; five minutes if not given.")
@pass_seat
def diff(seat: Seat, ref: str, since: str | None, most: int | None, timeout: str | None) -> None:
    """
    Show what differs in IMAGE from OTHER. Where no other is named, from the image that it was made of.

    \b
    Examples:
      boardgrid image diff my-image
      boardgrid image diff my-image:2026112802 my-image:2026112801
    """
    from boardgrid.client import differences  # noqa: PLC0415 - the other commands need it not

    timeout_s = None if timeout is None else seconds(timeout)
    found = differences.difference(seat.farm(), ref, timeout_s, image=ref, since=since)
    differences.show(seat, found, differences.SHOWN if most is None else most)


for _verb in (workshop.build, workshop.recipes, workshop.test):
    image.add_command(_verb)
