#!lua flags=allow-oom
-- holds: keeps or lifts a stored hold rule, and says so to all.
--
-- KEYS   1 holds   hash      name -> rule (msgpack)
--        2 news    channel
-- ARGV   1 name   2 rule ("" lifts it)
-- Reply  1 changed, 0 there was none to lift
local changed = 1
if ARGV[2] == '' then changed = redis.call('HDEL', KEYS[1], ARGV[1])
else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
redis.call('SPUBLISH', KEYS[2], 'holds')
return changed
