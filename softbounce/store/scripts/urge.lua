#!lua flags=allow-oom
-- urge: has lanes in trouble asked now: tells the owner, or changes what is remembered of a lane that no live process has.
-- Whoever takes such a lane finds that its time is up. Nothing is changed where another change came first.
--
-- KEYS   1 owner   hash   lane -> process
--        2 live    set    processes that may claim (home shard)
--        3 lane    hash   lane -> state (msgpack)
--        4 closed  zset   lanes that closed, by until when, ms
--        5 ..      channels to:{process}, one for each process that may be an owner
-- ARGV   1 now ms   2 number of processes p   then p process names   then per lane: lane, state as it was seen, what it gets
-- Reply  per lane: 1 its owner heard it, 2 it was replaced, 0 another change came first, -1 its owner does not listen now
-- Cost   O(lanes)
local count = tonumber(ARGV[2])
local channel = {}
for i = 1, count do channel[ARGV[2 + i]] = KEYS[4 + i] end
local out = {}
for i = 3 + count, #ARGV, 3 do
  local lane = ARGV[i]
  local owner = redis.call('HGET', KEYS[1], lane)
  if owner and channel[owner] and redis.call('SISMEMBER', KEYS[2], owner) == 1 then
    out[#out + 1] = wake_up(channel[owner], '!' .. lane) > 0 and 1 or -1
  elseif redis.call('HGET', KEYS[3], lane) == ARGV[i + 1] then
    redis.call('HSET', KEYS[3], lane, ARGV[i + 2])
    redis.call('ZADD', KEYS[4], 'XX', ARGV[1], lane)
    out[#out + 1] = 2
  else
    out[#out + 1] = 0
  end
end
return out
