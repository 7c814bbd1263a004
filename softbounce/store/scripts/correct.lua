#!lua flags=allow-oom
-- correct: replaces what all scripts add to the server's clock, if it is what the caller knows.
--
-- KEYS   1 clock    hash     the store's time, see the prelude
--        2 leases   zset     process by lease end (home shard; elsewhere any name)
-- ARGV   1 the correction as the caller knows it   2 the new one, ms; 0: none   3 lease, ms ("" outside the home shard)
-- Reply  1 or 0: another changed it first
-- Rules  All leases begin anew: those that were renewed by the wrong clock would end too early, or not for days.
-- Cost   O(processes)
local told, time = store_time(KEYS[1])
if time[2] ~= tonumber(ARGV[1]) then return 0 end
local now = told - time[2] + tonumber(ARGV[2])
redis.call('HSET', KEYS[1], 'correction', ARGV[2], 'seen', now, 'by', '')
if ARGV[3] ~= '' then
  local processes = redis.call('ZRANGE', KEYS[2], 0, -1)
  for i = 1, #processes do redis.call('ZADD', KEYS[2], 'XX', now + tonumber(ARGV[3]), processes[i]) end
end
return 1
