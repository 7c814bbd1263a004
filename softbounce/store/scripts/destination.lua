#!lua flags=allow-oom
-- destination: settles where this store's mail goes. It stays as it is, but for a store that has never had mail and at
-- which nobody is at work.
--
-- KEYS   1 schema   hash     its field destination
--        2 leases   zset     process -> lease end
--        3 clock    hash     the store's time, see the prelude
--        4 events   stream   there as soon as anything was accepted, and for ever
-- ARGV   1 destination wanted   2 the other shards' events that are there
-- Reply  the destination that holds
local known = redis.call('HGET', KEYS[1], 'destination')
if known and known ~= ARGV[1] then
  local now = store_time(KEYS[3])
  if ARGV[2] ~= '0' or redis.call('EXISTS', KEYS[4]) == 1 or redis.call('ZCOUNT', KEYS[2], now, '+inf') > 0 then
    return known
  end
end
redis.call('HSET', KEYS[1], 'destination', ARGV[1])
return ARGV[1]
