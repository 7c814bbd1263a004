"""Does mail flow, and if not, why: what the screen's first page, ``softbounce top`` and ``GET /api/v1/now`` show.

What is asked of the store is in ``look.py``, what is found in it in ``findings.py``, a site in ``sites.py``, what
there is in all in ``view.py``. It costs the store the same whatever waits there: some envelopes are looked at, taken at
random, and so many lanes.
"""
