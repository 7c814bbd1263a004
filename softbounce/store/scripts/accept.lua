#!lua
-- accept: takes one message with all its envelopes, once per idempotency key, or nothing at all.
-- Like reserve it has no allow-oom: a full store refuses new mail before it refuses anything else.
--
-- KEYS   1 schema   hash    {version, shards}; must be there and as the caller knows it
--        2 k        hash    idempotency key -> message id (14) .. digest (16) .. recipients (2) .. lasting digest (16),
--                           if another .. m, where we made the key
--        3 kage     zset    idempotency key -> when it may be forgotten
--        4 e        hash    envelope id -> record
--        5 m        hash    message id -> live envelopes
--        6 due      zset    envelope id by next attempt
--        7 exp      zset    envelope id by when to look at its expiry
--        8 events   stream  field b: a msgpack array of events; n: the number of the last of them
--        9 b:..     string or list   the body
--       10 wake     channel
--       11 clock    hash    the store's time, see the prelude
--       12 totals   hash    events: how many there ever were
--       13 counted  hash    message id -> what is counted of it, see the prelude
--       14 waiting  hash    room -> unfinished envelopes
--       15 metrics  hash    counters, see softbounce/counting.py
--       16 ..       string  buckets
-- ARGV   1 idempotency key   2 digest (16) .. lasting digest (16), if another: of what signing anew leaves as it was
--        3 message id   4 not before, ms (0: now)   5 window, ms   6 keep keys, ms
--        7 events kept   8 number of envelopes n   9 events of this accept (msgpack array)   10 schema as the caller knows it: version, space, shards
--        11 "m": nobody but us knows the key, else ""   12 after how long to look at the expiry for the first time, ms
--        13 what puts off its envelopes, msgpack ("": nothing does): {each one's part of the spread, ms; each one's delay behind
--        quiet hours, ms; these, from and to, ms; for each envelope where in its record its `at` and the word for what put it off
--        stand, and how long they are; these words, encoded: spread, quiet hours, each bucket; buckets: {share ms, burst ms, 1: waits};
--        rooms: {digest, most}}
--        14 the counter of what came this way
--        15 .. 14+n records whose times are zero, in the order of their numbers   15+n .. the body's chunks
-- Reply  {"stored" | "known" | "reused" | "collision" | "schema", message id, recipients, now ms}, or
--        {"over", "", number of the limit (buckets, then rooms), ms until there is room (-1: waiting does not help)}
-- Rules  What an envelope waits for at first moves its `at`: it is not older for it.
-- Cost   O(envelopes); repeated with the same key it changes nothing.
local schema = redis.call('HMGET', KEYS[1], 'version', 'shards')
if (schema[1] or '') .. ' ' .. (schema[2] or '') ~= ARGV[10] then return {'schema', '', 0, 0} end
local known = redis.call('HGET', KEYS[2], ARGV[1])
if known then
  local lasting = #known < 48 and string.sub(known, 15, 30) or string.sub(known, 33, 48)
  if string.sub(known, 15, 30) ~= string.sub(ARGV[2], 1, 16) and lasting ~= string.sub(ARGV[2], -16) then
    return {'reused', '', 0, 0}
  end
  local low, high = string.byte(known, 32), string.byte(known, 31)
  return {'known', string.sub(known, 1, 14), high * 256 + low, 0}
end
if redis.call('HEXISTS', KEYS[5], ARGV[3]) == 1 or redis.call('EXISTS', KEYS[9]) == 1 then
  return {'collision', '', 0, 0}
end

local now, time = store_time(KEYS[11])
local created = dated(time)
local count = tonumber(ARGV[8])
local asked = math.max(now, tonumber(ARGV[4]))
local putting_off = ARGV[13] ~= '' and cmsgpack.unpack(ARGV[13])
local quota, put_off
if putting_off then
  quota = quotas()
  cleared(KEYS[13], 'hash')
  cleared(KEYS[14], 'hash')
  local buckets, rooms = putting_off[6], putting_off[7]
  for i, bucket in ipairs(buckets) do table.insert(bucket, 1, KEYS[15 + i]) end
  local counted = redis.call('HGET', KEYS[13], ARGV[3])
  if counted then
    counted = struct.pack('>I2I8', count, 0) .. string.sub(counted, 11)
  else
    local limit, wait = quota.refused(count, buckets, rooms, KEYS[14], now)
    if limit then return {'over', '', limit, wait} end
    counted = quota.counted_as(count, 0, rooms)
  end
  if #counted > 10 then redis.call('HSET', KEYS[13], ARGV[3], counted)
  else redis.call('HDEL', KEYS[13], ARGV[3]) end
  put_off = function(i, record)
    local spread, delays, quiet, places, words = unpack(putting_off, 1, 5)
    local wait, word = spread[i] or 0, 1
    local slot, bucket = quota.begins(putting_off[6], now)
    if slot > wait then wait, word = slot, bucket + 2 end
    local begin = asked + wait
    for at = 1, #quiet, 2 do
      if quiet[at] <= begin and begin < quiet[at + 1] then
        local is_open = not quiet[at + 2] or quiet[at + 1] + delays[i] < quiet[at + 2]
        begin, word = quiet[at + 1] + (is_open and delays[i] or 0), 2
      end
    end
    if begin == asked then return begin, record end
    local at, at_length, why, why_length = unpack(places, 4 * i - 3, 4 * i)
    return begin, string.sub(record, 1, at) .. '\207' .. struct.pack('>I8', begin) .. string.sub(record, at + at_length + 1, why)
      .. words[word] .. string.sub(record, why + why_length + 1)
  end
end

local first = redis.call('ZRANGE', KEYS[6], 0, 0, 'WITHSCORES')
local records, due, expiry = {}, {}, {}
local window, look = tonumber(ARGV[5]), tonumber(ARGV[12])
local begin, ages, times, start
for i = 1, count do
  local id, record = ARGV[3] .. struct.pack('>I2', i - 1), ARGV[14 + i]
  if putting_off or i == 1 then
    begin = asked
    if putting_off then begin, record = put_off(i, record) end
    ages = math.max(created, begin)
    times = struct.pack('>I8I8I8', created, begin, ages + window)
    start = math.min(start or begin, begin)
  end
  records[2 * i - 1] = id
  records[2 * i] = string.sub(record, 1, 20) .. times .. string.sub(record, 45)
  due[2 * i - 1], due[2 * i] = begin, id
  expiry[2 * i - 1], expiry[2 * i] = ages + look, id
end
if putting_off then quota.written_down(KEYS[14], now) end

local chunks = #ARGV - 14 - count
if chunks == 1 then
  redis.call('SET', KEYS[9], ARGV[15 + count])
else
  for i = 1, chunks do redis.call('RPUSH', KEYS[9], ARGV[14 + count + i]) end
end
redis.call('HSET', KEYS[4], unpack(records))
redis.call('HSET', KEYS[5], ARGV[3], count)
redis.call('ZADD', KEYS[6], unpack(due))
redis.call('ZADD', KEYS[7], unpack(expiry))
local known_by = string.sub(ARGV[2], 1, 16) .. struct.pack('>I2', count) .. string.sub(ARGV[2], 17) .. ARGV[11]
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3] .. known_by)
redis.call('ZADD', KEYS[3], created + tonumber(ARGV[6]), ARGV[1])
redis.call('XADD', KEYS[8], 'MAXLEN', '~', ARGV[7], '*', 'b', ARGV[9],
  'n', added(KEYS[12], 'events', count))
count_up(KEYS[15], {[ARGV[14]] = count})
if not first[1] or tonumber(first[2]) > start then wake_up(KEYS[10], start) end
return {'stored', ARGV[3], count, now}
