"""What went wrong between client and farm, as a complaint: refusals, foreign answers, and no answer at all."""

from typing import TYPE_CHECKING, TypeVar

from boardgrid.client.complaint import FARM_FOREIGN, FARM_UNREACHABLE, Complaint
from boardgrid.client.decode import decoded
from boardgrid.messages import _

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
_AWAY = {502, 503, 504}  # what a proxy says when there is nobody behind it


def decoded_or_foreign(kind: type[T], value: object) -> T:
    """
    Raises:
        Complaint: the answer is not what a farm of this API gives.
    """
    try:
        return decoded(kind, value)
    except ValueError as error:
        raise foreign(str(error)) from error


def foreign(why: str, status: int = 0) -> Complaint:
    return Complaint(
        FARM_FOREIGN,
        _("what answers there does not speak as a farm of this release does: {why}").format(why=why),
        hint=_("is the URL that of the farm, and does `boardgrid version` fit the farm's release?"),
        status=status,
    )


def complaint(url: str, method: str, what: "httpx.Response | Exception") -> Complaint:
    """
    What to tell of an answer that is not a success, or of what was raised in the place of one.

    Args:
        method: of the request; one that changes something may have done so even if no answer came.
    """
    import httpx  # noqa: PLC0415 - where this is needed, it is there already

    if isinstance(what, httpx.Response):
        return _refused(url, what)
    again = "" if method == "GET" else _("it may have been done all the same: look before you try again")
    match what:
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.UnsupportedProtocol() | httpx.ProxyError():
            why = str(what) or _("nobody answered in time")
            hint = _("is the farm running there? `boardgrid login URL` chooses another")
            if "CERTIFICATE_VERIFY_FAILED" in why:
                hint = _("if its certificate is your own lab's, name its authority: SSL_CERT_FILE=/path/ca.pem")
            return Complaint(
                FARM_UNREACHABLE, _("the farm at {url} cannot be reached: {why}").format(url=url, why=why), hint=hint
            )
        case httpx.TimeoutException():
            return Complaint(
                FARM_UNREACHABLE, _("the farm at {url} did not answer in time").format(url=url), hint=again
            )
        case _:
            sentence = _("the farm at {url} went away in the middle of its answer: {why}")
            return Complaint(FARM_UNREACHABLE, sentence.format(url=url, why=what), hint=again)


def _refused(url: str, answer: "httpx.Response") -> Complaint:
    answer.read()
    problem: object = None
    if "json" in answer.headers.get("content-type", ""):
        try:
            problem = answer.json()
        except ValueError:
            problem = None
    if isinstance(problem, dict) and isinstance(problem.get("code"), str) and isinstance(problem.get("detail"), str):
        hint = problem.get("hint")
        return Complaint(
            problem["code"], problem["detail"], hint=hint if isinstance(hint, str) else "", status=answer.status_code
        )
    if answer.has_redirect_location:
        return Complaint(
            FARM_FOREIGN,
            _("{url} sends its visitors on to {other}").format(url=url, other=answer.headers["location"]),
            hint=_("`boardgrid login URL` with the address of the farm itself"),
            status=answer.status_code,
        )
    if answer.status_code in _AWAY:
        sentence = _("the farm at {url} does not answer; what stands before it says {status}")
        return Complaint(FARM_UNREACHABLE, sentence.format(url=url, status=answer.status_code), status=0)
    return foreign(_("status {status} without a reason").format(status=answer.status_code))
