#!lua flags=allow-oom
-- renew: prolongs a process's lease on the store's clock; never one that lapsed.
--
-- KEYS   1 leases   zset   process by lease end
--        2 live     set    processes that may claim (home shard)
--        3 clock    hash   the store's time, see the prelude
-- ARGV   1 process   2 lease, ms
-- Reply  1, or 0: the lease is gone
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 0 or not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], 'XX', store_time(KEYS[3]) + tonumber(ARGV[2]), ARGV[1])
return 1
