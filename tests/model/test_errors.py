"""Complaints are sentences that can be sent."""

from boardgrid.model.errors import Code, Invalid


def test_a_name_that_is_no_text_is_told_and_can_be_sent() -> None:
    error = Invalid(Code.ARCHIVE_REFUSED, "{name} is refused", hint="rename {name}", name="caf\udce9.dtb")
    assert error.detail == str(error) == "caf\\udce9.dtb is refused"
    assert error.hint.encode() == b"rename caf\\udce9.dtb"
