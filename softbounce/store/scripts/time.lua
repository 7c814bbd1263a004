#!lua flags=allow-oom,no-writes
-- time: the store's time, and what was noted of it.
--
-- KEYS   1 clock   hash   the store's time, see the prelude
-- Reply  time as the prelude tells it
local _, time = store_time(KEYS[1])
return time
