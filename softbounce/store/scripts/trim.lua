#!lua flags=allow-oom
-- trim: forgets the oldest of what ended, of the keys, and of the events, by age and size; one bounded step.
--
-- KEYS   1 done   zset   2 e  hash   3 totals  hash   4 k  hash   5 kage  zset   6 m  hash   7 events  stream   8 clock  hash
-- ARGV   1 keep finished, ms   2 keep finished, octets   3 keep events, ms   4 keep events, entries   5 at most so many   6 keep keys on, ms   7 a time that it is at most, ms: a clock that was just set ahead must make nothing old
-- Reply  {finished forgotten, keys forgotten}
local now = math.min(store_time(KEYS[8]), tonumber(ARGV[7]))
local limit = tonumber(ARGV[5])
local octets = tonumber(redis.call('HGET', KEYS[3], 'done_octets') or 0)
local forgotten = 0
local oldest = redis.call('ZRANGE', KEYS[1], 0, limit - 1, 'WITHSCORES')
local gone = {}
for i = 1, #oldest, 2 do
  if tonumber(oldest[i + 1]) > now - tonumber(ARGV[1]) and octets <= tonumber(ARGV[2]) then break end
  octets = octets - redis.call('HSTRLEN', KEYS[2], oldest[i])
  gone[#gone + 1] = oldest[i]
end
if #gone > 0 then
  forgotten = #gone
  redis.call('HDEL', KEYS[2], unpack(gone))
  redis.call('ZREM', KEYS[1], unpack(gone))
  redis.call('HSET', KEYS[3], 'done_octets', math.max(0, octets))
end
local keys, aged = 0, redis.call('ZRANGE', KEYS[5], '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)
for i = 1, #aged do
  local known = redis.call('HGET', KEYS[4], aged[i])
  if known and redis.call('HEXISTS', KEYS[6], string.sub(known, 1, 14)) == 1 then
    redis.call('ZADD', KEYS[5], now + tonumber(ARGV[6]), aged[i])
  else
    redis.call('HDEL', KEYS[4], aged[i])
    redis.call('ZREM', KEYS[5], aged[i])
    keys = keys + 1
  end
end
redis.call('XTRIM', KEYS[7], 'MINID', '~', (now - tonumber(ARGV[3])) .. '-0')
redis.call('XTRIM', KEYS[7], 'MAXLEN', '~', ARGV[4])
return {forgotten, keys}
