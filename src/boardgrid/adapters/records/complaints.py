"""What a database complains about, in the farm's words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnection

from boardgrid.messages import _
from boardgrid.model.errors import Code, Conflict, Fault, Invalid


@contextmanager
def told(database: object, hint: Callable[[], str]) -> Iterator[None]:
    """
    Args:
        database: its ``str`` is its name, without any password.
        hint: what would do where it failed; a translation is looked up on the disk, so not for each transaction.
    """
    try:
        yield
    except IntegrityError as error:
        # Services look first, so this is the last line of defence: nothing was recorded.
        raise Conflict(
            Code.THING_IN_USE, _("the farm's records do not allow this: {error}"), error=_said(error)
        ) from error
    except (DataError, OverflowError, UnicodeError) as error:
        raise Invalid(
            Code.REQUEST_INVALID, _("this cannot be recorded or looked up: {error}"), error=_said(error)
        ) from error
    except (DBAPIError, NoConnection, OSError) as error:
        raise Fault(
            Code.RECORDS_FAILED,
            _("the farm's database {database} failed: {error}"),
            hint=hint(),
            database=database,
            error=_said(error),
        ) from error


def busy(seconds: float) -> Fault:
    return Fault(
        Code.RECORDS_FAILED,
        _("the farm's database was busy for {seconds:g} s"),
        hint=_("try again"),
        seconds=seconds,
    )


def _said(error: Exception) -> str:
    """Its first line: PostgreSQL adds others, with details of rows that are not the reader's."""
    said = str(error.orig if isinstance(error, DBAPIError) else error)
    return said.partition("\n")[0]
