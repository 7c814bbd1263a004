"""The torture command: the real service under random faults, and then a reckoning envelope by envelope.

``script/torture --minutes N --seed S`` starts a store, schedulers, workers on two volumes, mail hosts with a ledger and
an app that never stops sending, each a process of its own; kills, pauses, cuts and fills by a schedule that the seed
decides; lets everything settle; and compares what the app was told, what the hosts took and what the store says.

=============  ============================================================================================
``letters``    what the app sends: a pure function of the seed and a number
``app``        the app, a process: sends, and writes down what it was told before and after
``schedule``   which fault comes when: pure
``proxy``      the way to the store, which can be cut, slowed and blocked
``processes``  the processes of one run, found by a mark in their environment
``house``      starts the parts, keeps them running, ends them
``faults``     carries out one fault
``volumes``    small file systems that can be filled
``hosts``      the world outside, a process: the playground, and
``strangers``  mail hosts that are odd in every way, and do not lie
``odd_names``  DNS that is as odd
``evidence``   reads the three accounts
``mishaps``    what the service's logs tell of processes that failed by themselves
``reckoning``  compares them: pure
``report``     the table and the JSON object
``run``        one run from start to end
=============  ============================================================================================

The hosts are never tortured: their ledger is the witness. With ``--watched`` the store is a primary with two replicas
that sentinels watch, and what is done to the one store otherwise is done to the primary.
"""
