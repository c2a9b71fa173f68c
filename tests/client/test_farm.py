"""The Python client: values in and out, and a clear complaint whatever the other side does."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest

from boardgrid.client.complaint import Complaint, ExitCode
from boardgrid.client.farm import Farm, farm_url
from tests.client.fake_farm import TOKEN, Door, FakeFarm, Refused


@pytest.fixture
def ada(farm: FakeFarm) -> Iterator[Farm]:
    with Farm(farm.url, TOKEN) as ada:
        yield ada


def answering(reply: bytes) -> tuple[str, Callable[[], None]]:
    """Something on a port that answers each connection with *reply*; and how it ends."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(reply)

    threading.Thread(target=serve, daemon=True).start()

    def end() -> None:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()

    return f"http://127.0.0.1:{listener.getsockname()[1]}", end


def test_a_reservation_is_a_value_with_times_in_utc(farm: FakeFarm, ada: Farm) -> None:
    farm.board("tk1-1")
    mine = ada.book("tk1", image="tiny", for_s=60)
    assert (mine.number, mine.board) == (7, "tk1-1")
    assert mine.deployment is not None
    assert mine.start.tzinfo is UTC
    assert abs((mine.end - datetime.now(UTC)).total_seconds() - 60) < 30
    assert ada.reservation(7) == ada.reservations()[0]
    assert ada.release(7, "aside", "later").state == "ended"


def test_events_are_followed_as_they_happen_and_taken_up_where_they_were_cut(farm: FakeFarm, ada: Farm) -> None:
    farm.cut_streams_after = 2
    for number in range(5):
        farm.tell(7, "tk1-1", "boot", "noted", detail=str(number))
    seen = []
    for event in ada.follow(reservation=7, quiet_s=1):
        if event is not None:
            seen.append(event.detail)
        if len(seen) == 5:
            break
    assert seen == ["0", "1", "2", "3", "4"]


def test_who_follows_gets_a_turn_while_nothing_happens(ada: Farm) -> None:
    turns = ada.follow(quiet_s=0.5)
    assert [next(turns) for _turn in range(4)] == [None] * 4


def test_a_farm_that_is_gone_for_good_ends_the_stream(farm: FakeFarm) -> None:
    url, end = answering(b"")
    end()
    with Farm(url, TOKEN) as ada, pytest.raises(Complaint, match="cannot be reached"):
        for _event in ada.follow(patience_s=0.5):
            pass


def test_a_farm_that_accepts_and_never_answers_ends_the_stream(farm: FakeFarm) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as deaf,
        Farm(f"http://127.0.0.1:{deaf.getsockname()[1]}", TOKEN) as ada,
        pytest.raises(Complaint) as told,
    ):
        for _event in ada.follow(quiet_s=0.2, patience_s=0.5):
            pass
    assert told.value.code == "farm.unreachable"


def test_a_refused_stream_is_not_asked_for_again(farm: FakeFarm) -> None:
    with Farm(farm.url, "bg_0_wrong") as ada, pytest.raises(Complaint) as told:
        next(ada.follow())
    assert (told.value.code, told.value.status) == ("token.refused", 401)
    assert len(farm.asked) == 1


def test_the_farm_is_reached_by_a_unix_socket(farm: FakeFarm, tmp_path: Path) -> None:
    path = tmp_path / "controller.sock"
    server = ThreadingUnixStreamServer(str(path), type("OneDoor", (Door,), {"farm": farm}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        with Farm(f"unix:{path}", TOKEN) as ada:
            assert ada.me().name == "ada"
            with pytest.raises(Complaint) as told:
                ada.board("tk1-9")
            assert told.value.status == 404
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (b"HTTP/1.0 404 Not Found\r\nContent-Type: text/html\r\n\r\n<h1>nginx</h1>", "farm.foreign", "status 404"),
        (b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<h1>hello</h1>", "farm.foreign", "not JSON"),
        (b"HTTP/1.0 200 OK\r\n\r\n{}", "farm.foreign", "Me.name is missing"),
        (b'HTTP/1.0 200 OK\r\n\r\n{"name": 3, "role": "user"}', "farm.foreign", "Me.name is int, not str"),
        (b"HTTP/1.0 200 OK\r\n\r\n[]", "farm.foreign", "Me is list"),
        (b"HTTP/1.0 302 Found\r\nLocation: https://farm.example.org/\r\n\r\n", "farm.foreign", "sends its visitors on"),
        (b"HTTP/1.0 502 Bad Gateway\r\n\r\n", "farm.unreachable", "what stands before it says 502"),
        (b"HTTP/1.0 500 Oops\r\nContent-Type: application/problem+json\r\n\r\n{", "farm.foreign", "status 500"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "farm.unreachable", "went away in the middle"),
        (b"", "farm.unreachable", "went away in the middle"),
    ],
)
def test_what_is_no_farm_is_told_in_a_sentence(reply: bytes, code: str, words: str) -> None:
    url, end = answering(reply)
    try:
        with Farm(url, TOKEN) as ada, pytest.raises(Complaint, match=words) as told:
            ada.me()
        assert told.value.code == code
        assert told.value.exit_code is ExitCode.FAULT
    finally:
        end()


def test_an_answer_that_does_not_come_is_not_taken_for_a_no(farm: FakeFarm) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as deaf,
        Farm(f"http://127.0.0.1:{deaf.getsockname()[1]}", TOKEN, timeout_s=0.3) as ada,
        pytest.raises(Complaint, match="did not answer in time") as told,
    ):
        ada.book("tk1-1", image="tiny", for_s=60)
    assert "it may have been done all the same" in told.value.hint


def test_a_problem_of_the_farm_keeps_its_code_sentence_and_hint(farm: FakeFarm, ada: Farm) -> None:
    with pytest.raises(Complaint) as told:
        ada.book("tk1-1", image="tiny", for_s=60)
    assert told.value.code == "board.taken"
    assert str(told.value) == "tk1-1 is grace's until 14:00 UTC"
    assert (told.value.hint, told.value.status) == ("choose another board", 409)


def test_a_refusal_in_the_middle_of_an_upload_is_heard(farm: FakeFarm, ada: Farm) -> None:
    farm.refuse_uploads = Refused(409, "store.full", "the store of lab has 3 GB left")
    farm.image("tiny", state="awaited")
    with pytest.raises(Complaint, match="3 GB left"):
        ada.upload("tiny:1", (bytes(1 << 18) for _chunk in range(400)))


def test_an_upload_whose_source_fails_is_broken_off(farm: FakeFarm, ada: Farm) -> None:
    def source() -> Iterator[bytes]:
        yield b"half"
        raise Complaint("program.failed", "tar ended badly")

    farm.image("tiny", state="awaited")
    with pytest.raises(Complaint, match="tar ended badly"):
        ada.upload("tiny:1", source())
    time.sleep(0.1)
    assert farm.images["tiny:1"]["state"] == "awaited"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://farm:8470", "http://farm:8470"),
        (" https://farm.example.org/ ", "https://farm.example.org"),
        ("http://farm/grid/api/v1/", "http://farm/grid"),
        ("http://[::1]:8470", "http://[::1]:8470"),
        ("unix:/run/controller.sock", "unix:/run/controller.sock"),
        ("unix:///run/controller.sock", "unix:/run/controller.sock"),
    ],
)
def test_a_farms_address_is_brought_to_one_form(text: str, url: str) -> None:
    assert farm_url(text) == farm_url(url) == url


@pytest.mark.parametrize(
    "text", ["", "farm:8470", "ftp://farm", "http://", "unix:", "http://farm:99999", "http://u:p@farm"]
)
def test_what_is_no_address_is_refused_with_examples(text: str) -> None:
    with pytest.raises(Complaint, match="is no address of a farm") as told:
        farm_url(text)
    assert "http://farm:8470" in told.value.hint
    assert told.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize("token", ["a\nb", "\u00e9", "a\x00"])
def test_a_token_that_could_not_stand_in_a_header_is_refused(token: str) -> None:
    with pytest.raises(Complaint, match="characters that no token has"):
        Farm("http://farm", token)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a"])
def test_a_name_cannot_climb_out_of_its_path(farm: FakeFarm, ada: Farm, name: str) -> None:
    with pytest.raises(Complaint, match="is no name"):
        ada.remove_board(name)
    assert farm.asked == []


def test_odd_names_arrive_as_they_are(farm: FakeFarm, ada: Farm) -> None:
    for name in ("a?b", "a%2fb", "a b", "ü"):
        with pytest.raises(Complaint, match="there is no board") as told:
            ada.board(name)
        assert told.value.detail == f"there is no board {name}"
