#!lua flags=allow-oom
-- traffic: notes what had been counted when a minute began. The first who comes in it says so; others change nothing.
--
-- KEYS   1 traffic  hash   minute of the day -> when, ms (8), and what had been counted by then (8 each)
--        2 clock    hash   the store's time, see the prelude
-- ARGV   1 what has been counted (8 each)
-- Reply  ms until the next minute begins
-- Rules  A minute of another day is overwritten: there are never more of them than a day has.
local MINUTE, A_DAY = 60000, 1440
cleared(KEYS[1], 'hash')
local now = store_time(KEYS[2])
local minute = math.floor(now / MINUTE)
local field = string.format('%d', minute % A_DAY)
local known = redis.call('HGET', KEYS[1], field)
if not known or #known < 8 or math.floor(struct.unpack('>I8', known) / MINUTE) ~= minute then
  redis.call('HSET', KEYS[1], field, struct.pack('>I8', now) .. ARGV[1])
end
return (minute + 1) * MINUTE - now
