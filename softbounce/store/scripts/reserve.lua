#!lua
-- reserve: takes from quotas for many messages that are about to be accepted, for all of them or for none.
--
-- KEYS   1 k        hash    idempotency key -> message id ...: what is known takes nothing
--        2 counted  hash    message id -> what is counted of it, see the prelude
--        3 waiting  hash    room -> unfinished envelopes
--        4 clock    hash    the store's time, see the prelude
--        5 ..       string  buckets
-- ARGV   1 "take", or "look": nothing is taken yet, for other shards have to be asked as well
--        then per message, msgpack: {idempotency key, message id, envelopes, buckets, rooms}, where a bucket is {number of its key,
--        share ms, burst ms, 1: waits} and a room {digest, most}
-- Reply  {message refused or 0, limit refused, ms until there is room (-1: waiting does not help)}
-- Rules  Repeated it takes nothing twice. Only buckets that refuse, and rooms. What is not accepted within a minute is counted no longer (`recount`).
-- Cost   O(messages)
local now, quota = store_time(KEYS[4]), quotas()
local counted = {}
cleared(KEYS[2], 'hash')
cleared(KEYS[3], 'hash')
for i = 2, #ARGV do
  local one = cmsgpack.unpack(ARGV[i])
  local buckets, rooms = one[4], one[5]
  if redis.call('HEXISTS', KEYS[1], one[1]) == 0 and redis.call('HEXISTS', KEYS[2], one[2]) == 0 then
    for _, bucket in ipairs(buckets) do bucket[1] = KEYS[bucket[1] + 4] end
    local limit, wait = quota.refused(one[3], buckets, rooms, KEYS[3], now)
    if limit then return {i - 1, limit, wait} end
    counted[#counted + 1] = one[2]
    counted[#counted + 1] = quota.counted_as(one[3], now, rooms)
  end
end
if ARGV[1] == 'look' then return {0, 0, 0} end
quota.written_down(KEYS[3], now)
for i = 1, #counted, 500 do redis.call('HSET', KEYS[2], unpack(counted, i, math.min(i + 499, #counted))) end
return {0, 0, 0}
