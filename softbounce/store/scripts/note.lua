#!lua flags=allow-oom
-- note: writes down that the server's clock is believed, if it says about what it said to whom believes it.
--
-- KEYS   1 clock   hash   the store's time, see the prelude; a correction that an older version wrote goes
-- ARGV   1 the time that is believed, ms   2 by which steady clock ("": none)
-- Reply  1, or 0: the clock was set meanwhile
local now = store_time(KEYS[1])
if math.abs(now - tonumber(ARGV[1])) > 60000 then return 0 end
redis.call('HSET', KEYS[1], 'seen', now, 'by', ARGV[2])
redis.call('HDEL', KEYS[1], 'correction')
return 1
