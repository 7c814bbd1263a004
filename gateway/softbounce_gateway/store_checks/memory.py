"""Says at start how much memory the store may take, and complains where that is wrong or nearly used up."""

from __future__ import annotations

from softbounce_config import Config

from softbounce.store.keys import HOME
from softbounce.store.memory import read_memory
from softbounce.store.shards import AsyncShards
from softbounce_gateway.embedded_store.memory_limit import in_words, memory_room
from softbounce_gateway.terminal import complain

__all__ = ["memory_in_words"]

NEARLY = 0.9


async def memory_in_words(store: AsyncShards, config: Config) -> str:
    """What is said of the store's memory behind its name; empty where its server does not tell.

    :raises StoreError: the store went away.
    """
    memory = await store.run(read_memory(HOME))
    if not config.is_embedded and config.store.maxmemory != "auto":
        complain("[store] maxmemory is for the embedded store: limit a server of your own by its own `maxmemory`")
    if memory.is_full or memory.share >= NEARLY:
        complain(
            f"the store is full or nearly so: it uses {in_words(memory.used)} of {in_words(memory.most)}. What ended "
            "gives way, and new mail is refused where that is not enough; give it more (maxmemory)"
        )
    if not memory.is_told:
        return ""
    if not memory.most:
        return " (no limit of memory)"
    words = f"at most {in_words(memory.most)}"
    if config.is_embedded and config.store.maxmemory == "auto":
        room = memory_room()
        words += f" of the {in_words(room.octets)} {room.whose}"
    return f" ({words})"
