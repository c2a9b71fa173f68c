import asyncio
import os
from pathlib import Path

import pytest

from boardgrid.adapters.sightings.follow import Tail, changes_in


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_only_whole_lines_are_told(log: Path) -> None:
    tail = Tail(log)
    append(log, "one\ntw")
    assert tail.new_lines() == ["one"]
    append(log, "o\n")
    assert tail.new_lines() == ["two"]
    assert tail.new_lines() == []


def test_a_file_that_is_not_there_yet_is_waited_for(log: Path) -> None:
    tail = Tail(log)
    assert tail.to_end(1000) == []
    assert tail.new_lines() == []
    append(log, "one\n")
    assert tail.new_lines() == ["one"]


def test_a_file_that_was_emptied_is_read_from_its_beginning(log: Path) -> None:
    tail = Tail(log)
    append(log, "one\ntwo\nthr")
    tail.new_lines()
    log.write_text("new\n")
    assert tail.new_lines() == ["new"]


def test_what_was_written_before_and_after_a_rotation_is_told_once(log: Path) -> None:
    tail = Tail(log)
    append(log, "one\n")
    assert tail.new_lines() == ["one"]
    append(log, "two\n")
    log.rename(log.with_name("log.1"))
    append(log.with_name("log.1"), "three\n")  # who writes has not noticed yet
    assert tail.new_lines() == ["two", "three"]
    append(log, "four\n")
    assert tail.new_lines() == ["four"]
    assert tail.new_lines() == []


def test_going_to_the_end_tells_the_last_whole_lines(log: Path) -> None:
    append(log, "".join(f"line {number}\n" for number in range(1000)))
    tail = Tail(log)
    assert tail.to_end(25) == ["line 998", "line 999"]
    append(log, "new\n")
    assert tail.new_lines() == ["new"]


def test_a_line_without_end_takes_no_room_and_hides_nothing(log: Path) -> None:
    tail = Tail(log)
    append(log, "x" * 1_000_000)
    for _each in range(20):
        assert tail.new_lines() == []
    assert len(tail._rest) <= 4096
    append(log, "x\nnext\n")
    assert tail.new_lines() == ["next"]


def test_a_file_is_shortened_once_it_is_too_long_and_read_to_its_end(log: Path) -> None:
    tail = Tail(log)
    append(log, "line\n" * 10)
    assert not tail.shorten(20)  # not read yet
    tail.new_lines()
    assert not tail.shorten(50)
    assert tail.shorten(20)
    append(log, "new\n")
    assert tail.new_lines() == ["new"]


def test_a_file_whose_name_was_removed_is_shortened_all_the_same(log: Path) -> None:
    append(log, "line\n" * 10)
    with log.open() as writer:
        tail = Tail(log)
        tail.new_lines()
        log.unlink()
        assert tail.shorten(20)
        assert os.fstat(writer.fileno()).st_size == 0


async def test_a_change_wakes_at_once(log: Path) -> None:
    with changes_in(log.parent) as changed:
        assert not changed.is_set()
        append(log, "one\n")
        async with asyncio.timeout(30):
            await changed.wait()


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"), changes_in(tmp_path / "nowhere"):
        pass
