#!lua flags=allow-oom,no-writes
-- time: the store's time, and how much of it is correction.
--
-- KEYS   1 clock   hash   what is added to the server's clock
-- Reply  {now ms, its correction}
local correction = tonumber(redis.call('HGET', KEYS[1], 'correction') or 0)
local time = redis.call('TIME')
return {time[1] * 1000 + math.floor(time[2] / 1000) + correction, correction}
