#!lua flags=allow-oom
-- keep: sets a field of a hash of small facts, unless that has so many already.
--
-- KEYS   1 a hash
-- ARGV   1 field   2 value   3 so many fields at most
-- Reply  1 set, 0 there are too many
cleared(KEYS[1], 'hash')
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
