"""The store: keys, scripts, what can be asked of it, and the client that carries calls to its shards.

Each operation is a value: which calls go out, and how their answers are read. The same values serve threads
(``Shards.run``) and asyncio (``AsyncShards.run``). An envelope goes round by ``accepting``, ``releasing``, ``claiming``
and ``moving``; ``reading`` shows it. All the rest: ``membership``, ``lanes``, ``sites``, ``published``, ``retention``.
"""
