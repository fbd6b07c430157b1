"""Random bytes are given out once: not twice to one thread, not to two threads, not to a child as well."""

import os
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from exchange.keys.entropy import random_bytes


@given(counts=st.lists(st.integers(0, 3000), max_size=20))
def test_as_many_as_asked_for(counts: list[int]) -> None:
    assert [len(random_bytes(count)) for count in counts] == counts


def test_no_piece_comes_twice() -> None:
    def draw(_: int) -> list[bytes]:
        return [random_bytes(16) for _ in range(1000)]

    with ThreadPoolExecutor(4) as threads:
        pieces = [piece for drawn in threads.map(draw, range(8)) for piece in drawn]
    assert len(set(pieces)) == len(pieces) == 8000


def test_a_forked_child_draws_its_own() -> None:
    random_bytes(1)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, random_bytes(16))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 16) != random_bytes(16)
    os.close(read)
    os.close(write)
