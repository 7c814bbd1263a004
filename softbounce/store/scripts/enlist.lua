#!lua flags=allow-oom
-- enlist: makes a worker process known in one shard, so that it may claim there; takes it off again.
--
-- KEYS   1 live      set    processes that may claim
--        2 leases    zset   process by lease end (home shard; elsewhere any name)
--        3 process   hash   process -> what it is (home shard; elsewhere any name)
--        4 witness   hash   holding: the mail of a restored store is being held, and no process is let in
--        5 clock     hash   the store's time, see the prelude
-- ARGV   1 "on" or "off"   2 process   3 lease, ms ("" outside the home shard)   4 what it is (msgpack)
-- Reply  time as the prelude tells it; -1: not let in
local now, time = store_time(KEYS[5])
if ARGV[1] == 'on' then
  if redis.call('HEXISTS', KEYS[4], 'holding') == 1 then return -1 end
  redis.call('SADD', KEYS[1], ARGV[2])
  if ARGV[3] ~= '' then
    redis.call('ZADD', KEYS[2], now + tonumber(ARGV[3]), ARGV[2])
    redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
  end
else
  redis.call('SREM', KEYS[1], ARGV[2])
  if ARGV[3] ~= '' then
    redis.call('ZREM', KEYS[2], ARGV[2])
    redis.call('HDEL', KEYS[3], ARGV[2])
  end
end
return time
