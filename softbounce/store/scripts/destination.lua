#!lua flags=allow-oom
-- destination: settles where this store's mail goes. It stays as it is, but for a store that has never had mail and at
-- which nobody is at work.
--
-- KEYS   1 schema   hash     its field destination
--        2 leases   zset     process -> lease end
--        3 clock    hash     what is added to the server's clock
--        4 events   stream   there as soon as anything was accepted, and for ever
-- ARGV   1 destination wanted   2 the other shards' events that are there
-- Reply  the destination that holds
local known = redis.call('HGET', KEYS[1], 'destination')
if known and known ~= ARGV[1] then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(redis.call('HGET', KEYS[3], 'correction') or 0)
  if ARGV[2] ~= '0' or redis.call('EXISTS', KEYS[4]) == 1 or redis.call('ZCOUNT', KEYS[2], now, '+inf') > 0 then
    return known
  end
end
redis.call('HSET', KEYS[1], 'destination', ARGV[1])
return ARGV[1]
