"""What the farm complains of, or the way to it; and the exit code that tells a program which kind it is."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How the command line ends. Programs rely on it: a number never changes its meaning."""

    OK = 0
    BUG = 1  # of boardgrid itself
    USAGE = 2  # the request can never work as it is written
    NOT_FOUND = 3
    DENIED = 4  # not logged in, the token is refused, or this is for others to do
    CONFLICT = 5  # lawful, but not now
    FAILED = 6  # a deployment, an image or a volume was begun and could not be made
    TIMEOUT = 7  # it took longer than the asker would wait
    FAULT = 8  # the farm, or the way to it, does not work
    INTERRUPTED = 130  # Ctrl-C
    PIPE_CLOSED = 141  # whoever read our output went away
    # Of `run` alone, whose other codes are those of the command on the board: 200 to 203 are worth another try.
    JOB_UNDEPLOYED = 200  # its board could not be made ready
    JOB_FAULT = 201  # the farm, or the way to it, does not work
    JOB_LATE = 202  # no board was free in time
    JOB_LOST = 203  # its board, or the connection to it, was lost
    JOB_REFUSED = 204  # what was asked for can never work, or is not allowed
    JOB_OVERTIME = 205  # the command took longer than the reservation


NAME_TAKEN = "name.taken"  # the farm's
LOGIN_REFUSED = "login.refused"  # the farm's

# Complaints of the client itself; the farm's own codes are listed in the reference of the API.
LOGIN_MISSING = "login.missing"
PROFILE_INVALID = "profile.invalid"
FARM_UNREACHABLE = "farm.unreachable"
FARM_FOREIGN = "farm.foreign"  # what answered is no farm, or of another age
REQUEST_INVALID = "request.invalid"
DEPLOYMENT_FAILED = "deployment.failed"
IMAGE_FAILED = "image.failed"
VOLUME_FAILED = "volume.failed"
POWER_FAILED = "power.failed"
WAIT_TIMEOUT = "wait.timeout"
THING_IN_USE = "thing.in_use"  # the farm's
FILE_UNKNOWN = "file.unknown"  # the farm's
OUTPUT_FAILED = "output.failed"
CLIENT_BUG = "client.bug"
PROGRAM_MISSING = "program.missing"
PROGRAM_FAILED = "program.failed"
BOARD_NOT_HELD = "board.not_held"
BOARD_UNREACHABLE = "board.unreachable"
GATEWAY_MISSING = "gateway.missing"
HOST_KEY_UNKNOWN = "host_key.unknown"
NUMBER_MISSING = "reservation.unclear"
CONNECTION_LOST = "connection.lost"
JOB_OVERTIME = "job.overtime"

_BY_CODE = {
    CLIENT_BUG: ExitCode.BUG,
    LOGIN_MISSING: ExitCode.DENIED,
    LOGIN_REFUSED: ExitCode.DENIED,
    PROFILE_INVALID: ExitCode.USAGE,
    REQUEST_INVALID: ExitCode.USAGE,
    NUMBER_MISSING: ExitCode.USAGE,
    DEPLOYMENT_FAILED: ExitCode.FAILED,
    IMAGE_FAILED: ExitCode.FAILED,
    VOLUME_FAILED: ExitCode.FAILED,
    WAIT_TIMEOUT: ExitCode.TIMEOUT,
    BOARD_NOT_HELD: ExitCode.CONFLICT,
    BOARD_UNREACHABLE: ExitCode.CONFLICT,
    JOB_OVERTIME: ExitCode.TIMEOUT,
}
_BY_STATUS = {
    400: ExitCode.USAGE,
    401: ExitCode.DENIED,
    403: ExitCode.DENIED,
    404: ExitCode.NOT_FOUND,
    405: ExitCode.USAGE,
    409: ExitCode.CONFLICT,
    413: ExitCode.USAGE,
    415: ExitCode.USAGE,
    422: ExitCode.USAGE,
    429: ExitCode.CONFLICT,
}
_PASSING = {502, 503, 504}


class Complaint(Exception):
    """
    One sentence that its reader can act on.

    Args:
        code: the stable code, the farm's own or one of those above.
        detail: what is wrong; also ``str(complaint)``.
        hint: what would do; may be empty.
        status: the HTTP status it came with; 0 where no answer came, or the complaint is the client's own.
        exit_code: where it does not follow from code and status.
    """

    def __init__(
        self, code: str, detail: str, *, hint: str = "", status: int = 0, exit_code: ExitCode | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.hint = hint
        self.status = status
        # The status decides where there is one: the farm may complain with a code that is ours too.
        self.exit_code = exit_code or _BY_STATUS.get(status) or (status == 0 and _BY_CODE.get(code)) or ExitCode.FAULT

    @property
    def is_passing(self) -> bool:
        """Whether the same question may well be answered a moment later: who waits anyway asks again."""
        return self.code == FARM_UNREACHABLE or self.status in _PASSING
