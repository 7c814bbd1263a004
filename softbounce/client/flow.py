"""Flows: what has to be asked of the store, one operation after another, without saying how the waiting is done.

A flow is a generator that yields operations and is sent what they answer; its return value is the result. Errors are
thrown into it, so that it can repeat what may be repeated. :func:`run_flow` carries one out for
threads, :func:`await_flow` for asyncio; the flows themselves know neither.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

from softbounce.errors import StoreUncertain
from softbounce.store.call import Operation
from softbounce.store.event_loops import LoopShards
from softbounce.store.shards import AsyncShards, Shards

__all__ = ["Flow", "await_flow", "repeat", "run_flow"]

T = TypeVar("T")
Flow: TypeAlias = Generator[Operation[Any], Any, T]
REPEATS = 2


def repeat(operation: Operation[T]) -> Flow[T]:
    """Ask, and ask again where the answer was lost: for operations that have their effect once, or none at all."""
    for _ in range(REPEATS):
        try:
            answer: T = yield operation
        except StoreUncertain:
            continue
        return answer
    answer = yield operation
    return answer


def run_flow(flow: Flow[T], store: Shards) -> T:
    """Carry out a flow, blocking."""
    try:
        operation = next(flow)
        while True:
            try:
                answer = store.run(operation)
            except Exception as error:  # noqa: BLE001 - the flow itself decides which it can do something about
                operation = flow.throw(error)
            else:
                operation = flow.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        flow.close()


async def await_flow(flow: Flow[T], store: AsyncShards | LoopShards) -> T:
    """Carry out a flow on asyncio."""
    try:
        operation = next(flow)
        while True:
            try:
                answer = await store.run(operation)
            except Exception as error:  # noqa: BLE001 - the flow itself decides which it can do something about
                operation = flow.throw(error)
            else:
                operation = flow.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        flow.close()
