#!lua flags=allow-oom
-- note: writes down a time that is believed, unless it was told by another correction than there is now.
--
-- KEYS   1 clock   hash   the store's time, see the prelude
-- ARGV   1 the correction as the caller knows it, ms   2 the time, ms   3 who says so, by which steady clock ("": nobody)
-- Reply  1 or 0: there is another correction
if tonumber(redis.call('HGET', KEYS[1], 'correction') or 0) ~= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'seen', ARGV[2], 'by', ARGV[3])
return 1
