#!lua flags=allow-oom
-- renew: prolongs a process's lease on the store's clock; never one that lapsed.
--
-- KEYS   1 leases   zset   process by lease end
--        2 live     set    processes that may claim (home shard)
--        3 clock    hash   what is added to the server's clock
-- ARGV   1 process   2 lease, ms
-- Reply  {now ms, its correction}, or {0, 0}: the lease is gone
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 0 or not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return {0, 0} end
local correction = tonumber(redis.call('HGET', KEYS[3], 'correction') or 0)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + correction
redis.call('ZADD', KEYS[1], 'XX', now + tonumber(ARGV[2]), ARGV[1])
return {now, correction}
