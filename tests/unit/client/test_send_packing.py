from __future__ import annotations

import random

import pytest
import zstandard

from softbounce.client.send.packing import CHUNK_OCTETS, pack_body, shard_of_key

NOISE = random.Random(1).randbytes(600_000)  # noqa: S311 - any octets will do


@pytest.mark.parametrize(
    ("octets", "codec", "chunks"),
    [
        pytest.param(b"Hello. " * 500, 1, 1, id="compressed"),
        pytest.param(b"Hello. " * 100_000, 1, 1, id="large but compressed to little"),
        pytest.param(b"x\r\n", 0, 1, id="tiny"),
        pytest.param(NOISE[:1000], 0, 1, id="noise"),
        pytest.param(NOISE[:CHUNK_OCTETS], 0, 1, id="just one chunk"),
        pytest.param(NOISE[: CHUNK_OCTETS + 1], 0, 2, id="just two chunks"),
        pytest.param(NOISE + bytes(400_000), 1, 3, id="compressed and in chunks"),
    ],
)
def test_a_body_is_compressed_where_it_pays_and_cut_into_chunks(octets: bytes, codec: int, chunks: int) -> None:
    """Less than a tenth saved is not worth it; no chunk is longer than 256 KiB; nothing is lost."""
    found, stored = pack_body(octets)
    assert (found, len(stored)) == (codec, chunks)
    assert all(len(chunk) <= CHUNK_OCTETS for chunk in stored)
    joined = b"".join(stored)
    plain = zstandard.ZstdDecompressor().decompress(joined, max_output_size=len(octets)) if codec else joined
    assert plain == octets


def test_keys_spread_over_the_shards_and_stay_where_they_are() -> None:
    """A repeat must find its key: the shard is a function of the key alone."""
    shards = [shard_of_key(f"order-{number}", 16) for number in range(1000)]
    assert set(shards) == set(range(16))
    assert shards == [shard_of_key(f"order-{number}", 16) for number in range(1000)]
    assert shard_of_key("anything", 1) == 0
