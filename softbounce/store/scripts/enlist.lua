#!lua flags=allow-oom
-- enlist: makes a worker process known in one shard, so that it may claim there; takes it off again.
--
-- KEYS   1 live      set    processes that may claim
--        2 leases    zset   process by lease end (home shard; elsewhere any name)
--        3 process   hash   process -> what it is (home shard; elsewhere any name)
--        4 witness   hash   holding: the mail of a restored store is being held, and no process is let in
--        5 clock     hash   what is added to the server's clock
-- ARGV   1 "on" or "off"   2 process   3 lease, ms ("" outside the home shard)   4 what it is (msgpack)
-- Reply  {now ms, its correction}; -1: not let in
local correction = tonumber(redis.call('HGET', KEYS[5], 'correction') or 0)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + correction
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
return {now, correction}
