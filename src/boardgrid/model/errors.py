"""What can go wrong, cut by who must act; and the stable code of each complaint."""

from enum import StrEnum


class Code(StrEnum):
    """
    What programs may rely on: a code never changes its meaning and is never reused.

    The part before the dot names the thing that is complained about. All are listed in the reference.
    """

    # Invalid: the request can never work as it is written
    REQUEST_INVALID = "request.invalid"
    REQUEST_TOO_LARGE = "request.too_large"
    NAME_INVALID = "name.invalid"
    ADDRESS_INVALID = "address.invalid"
    KEY_INVALID = "key.invalid"
    DRIVER_INVALID = "driver.invalid"
    DURATION_INVALID = "duration.invalid"
    START_INVALID = "start.invalid"
    INVENTORY_INVALID = "inventory.invalid"
    WHERE_INVALID = "where.invalid"
    CONFIG_INVALID = "config.invalid"
    PATH_FORBIDDEN = "path.forbidden"
    ARCHIVE_REFUSED = "archive.refused"
    IMAGE_TOO_LARGE = "image.too_large"
    IMAGE_MISFIT = "image.misfit"
    KERNEL_MISSING = "image.kernel_missing"
    KERNEL_FLASHED = "kernel.flashed"
    FILE_UNFIT = "file.unfit"
    POWER_UNABLE = "power.unable"
    EMAIL_INVALID = "email.invalid"
    ZONE_INVALID = "zone.invalid"
    WEBHOOK_INVALID = "webhook.invalid"
    PASSWORD_INVALID = "password.invalid"  # noqa: S105 - a code, not a secret
    RULES_INVALID = "rules.invalid"
    ROSTER_INVALID = "roster.invalid"
    RECIPE_INVALID = "recipe.invalid"
    BUILD_FAILED = "build.failed"

    # NotAllowed: the asker is known and may not do this
    TOKEN_REFUSED = "token.refused"  # noqa: S105 - a code, not a secret
    TOKEN_EXPIRED = "token.expired"  # noqa: S105 - as above
    TOKEN_NARROW = "token.narrow"  # noqa: S105 - as above
    LOGIN_REFUSED = "login.refused"
    LOGIN_EXPIRED = "login.expired"
    INVITATION_REFUSED = "invitation.refused"
    ACCOUNT_MISSING = "account.missing"
    ACCOUNT_SUSPENDED = "account.suspended"
    ACT_FORBIDDEN = "act.forbidden"
    BOARD_FORBIDDEN = "board.forbidden"

    # NotFound: there is no such thing, or the asker may not know of it
    USER_UNKNOWN = "user.unknown"
    TOKEN_UNKNOWN = "token.unknown"  # noqa: S105 - as above
    KEY_UNKNOWN = "key.unknown"
    INVITATION_UNKNOWN = "invitation.unknown"
    GROUP_UNKNOWN = "group.unknown"
    PROJECT_UNKNOWN = "project.unknown"
    LINK_UNKNOWN = "link.unknown"
    MAINTENANCE_UNKNOWN = "maintenance.unknown"
    WEBHOOK_UNKNOWN = "webhook.unknown"
    FEED_UNKNOWN = "feed.unknown"
    SITE_UNKNOWN = "site.unknown"
    BOARD_UNKNOWN = "board.unknown"
    TYPE_UNKNOWN = "type.unknown"
    IMAGE_UNKNOWN = "image.unknown"
    ERRAND_UNKNOWN = "errand.unknown"
    ROOT_UNKNOWN = "root.unknown"
    RECIPE_UNKNOWN = "recipe.unknown"
    VOLUME_UNKNOWN = "volume.unknown"
    RESERVATION_UNKNOWN = "reservation.unknown"
    DEPLOYMENT_UNKNOWN = "deployment.unknown"
    ORDER_UNKNOWN = "order.unknown"
    QUESTION_UNKNOWN = "question.unknown"
    PROVIDER_UNKNOWN = "provider.unknown"
    ROUTE_UNKNOWN = "route.unknown"
    METHOD_UNKNOWN = "route.method_unknown"
    PATH_UNKNOWN = "path.unknown"
    FILE_UNKNOWN = "file.unknown"

    # Conflict: lawful, but not now
    NAME_TAKEN = "name.taken"
    KEY_TAKEN = "key.taken"
    ADDRESS_TAKEN = "address.taken"
    BOARD_TAKEN = "board.taken"
    BOARDS_TOO_FEW = "board.too_few"
    BOARD_FOLLOWED = "board.followed"
    BOARD_SET_ASIDE = "board.set_aside"
    BOARD_NOT_OPEN = "board.not_open"
    THING_IN_USE = "thing.in_use"
    IMAGE_NOT_READY = "image.not_ready"
    IMAGE_DAMAGED = "image.damaged"
    ROOT_NOT_ASIDE = "root.not_aside"
    RESERVATION_OVER = "reservation.over"
    RESERVATION_WAITING = "reservation.waiting"
    QUOTA_EXCEEDED = "quota.exceeded"
    RULES_CHANGED = "rules.changed"
    MAINTENANCE_BLOCKED = "maintenance.blocked"
    UPLOAD_BROKEN = "upload.broken"
    LAST_ADMIN = "user.last_admin"
    EPOCH_STALE = "epoch.stale"
    EXPORT_TAKEN = "export.taken"
    SCHEMA_FOREIGN = "schema.foreign"
    SCHEMA_DAMAGED = "schema.damaged"
    DATABASE_UNFIT = "database.unfit"
    RECORDS_PRESENT = "records.present"
    FILE_TAKEN = "file.taken"
    STATE_LOCKED = "state.locked"
    PORT_TAKEN = "port.taken"
    PROTOCOL_UNSPOKEN = "protocol.unspoken"
    REQUESTS_TOO_MANY = "request.too_many"
    LOGINS_TOO_MANY = "login.too_many"
    REQUEST_TOO_SLOW = "request.too_slow"

    # Fault: the world failed us
    PROGRAM_FAILED = "program.failed"
    PROGRAM_TIMEOUT = "program.timeout"
    POWER_FAILED = "power.failed"
    BOARD_SILENT = "board.silent"
    BOARD_WRONG_ROOT = "board.wrong_root"
    ROOT_NOT_MOUNTED = "root.not_mounted"
    KERNEL_PANICKED = "kernel.panicked"
    KERNEL_REFUSED = "kernel.refused"
    SSH_SILENT = "ssh.silent"
    SSH_OTHER_KEY = "ssh.other_key"
    STORE_FULL = "store.full"
    STORE_DAMAGED = "store.damaged"
    ROOT_BUSY = "root.busy"
    ROOT_UNFIT = "root.unfit"
    EXPORTS_FAILED = "exports.failed"
    NETBOOT_FAILED = "netboot.failed"
    MAIL_FAILED = "mail.failed"
    WEBHOOK_FAILED = "webhook.failed"
    DOWNLOAD_FAILED = "download.failed"
    CONTROLLER_SILENT = "controller.silent"
    DIRECTORY_FAILED = "directory.failed"
    PROVIDER_FAILED = "provider.failed"
    RECORDS_FAILED = "records.failed"
    BUG = "farm.bug"


class Blame(StrEnum):
    """Whose fault a fault is: it decides what is set aside."""

    SITE = "site"  # the server side (NFS, disk, controller): deployments pause, no board is blamed
    BOARD = "board"  # the board or its outlet: it is set aside at the end of its ladder
    IMAGE = "image"  # what the user asked to boot: the deployment fails, the board stays fit


def _sendable(text: str) -> str:
    """Names of files may hold bytes that are no text, as lone surrogates: no sentence with one could be sent."""
    return text.encode("utf-8", "backslashreplace").decode()


class FarmError(Exception):
    """
    Base of all. ``str(error)`` is one sentence its reader can act on.

    Args:
        code: the stable code of this complaint.
        sentence: what is wrong, already through gettext, with ``{fields}`` for *facts*.
        hint: what would do, with the same fields; may be empty.
    """

    def __init__(self, code: Code, sentence: str, *, hint: str = "", **facts: object) -> None:
        self.code = code
        self.detail = _sendable(sentence.format(**facts) if facts else sentence)
        self.hint = _sendable(hint.format(**facts) if facts else hint)
        super().__init__(self.detail)


class Invalid(FarmError):
    """The request can never work as it is written: the asker must change it."""


class NotAllowed(FarmError):
    """The asker is known and may not do this."""


class NotFound(FarmError):
    """There is no such thing, or the asker may not know of it."""


class Conflict(FarmError):
    """Lawful, but not now: the board is taken, the image is in use."""


class Fault(FarmError):
    """The world failed us: a board, an outlet, a server. Trying again may help."""

    def __init__(
        self, code: Code, sentence: str, *, hint: str = "", blame: Blame = Blame.SITE, **facts: object
    ) -> None:
        super().__init__(code, sentence, hint=hint, **facts)
        self.blame = blame
