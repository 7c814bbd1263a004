#!lua flags=allow-oom
-- unkeep: frees bodies that were kept after their messages ended, the oldest first, and says that such are kept; one bounded step.
--
-- KEYS   1 kept         zset   message id -> when an envelope of it last ended undelivered, ms
--        2 kept_octets  hash   message id -> octets of its body
--        3 m            hash   message id -> live envelopes
--        4 totals       hash   kept_octets: octets of all these bodies; keep_until: bodies are kept that long without a further word, ms
--        5 clock        hash   the store's time, see the prelude
--        6 ..           the bodies of the messages
-- ARGV   1 keep, ms   2 keep, octets   3 for how long bodies are kept without a further word, ms (0: none is)
--        4 "1": they give way because memory is short, whatever their age   5 at most so many a step   6 .. message ids, the oldest first
-- Reply  {freed, octets that are left, how many are to go now}
-- Rules  Goes by the time that was believed last: nothing is old by a clock that was just set ahead. A body that a live
--        envelope needs stays, and goes with that.
-- Cost   O(messages)
cleared(KEYS[1], 'zset')
cleared(KEYS[2], 'hash')
local _, time = store_time(KEYS[5])
local now, latest = time[2] > 0 and math.min(time[1], time[2]) or time[1], dated(time)
local keep, most, lasts, presses, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1', tonumber(ARGV[5])
local octets = tonumber(redis.call('HGET', KEYS[4], 'kept_octets') or '') or 0
local freed = 0
for i = 6, #ARGV do
  local message, body = ARGV[i], KEYS[i]
  local at = tonumber(redis.call('ZSCORE', KEYS[1], message) or '')
  if at then
    if at > now - keep and octets <= most and not presses then break end
    octets = octets - (tonumber(redis.call('HGET', KEYS[2], message) or '') or 0)
    redis.call('ZREM', KEYS[1], message)
    redis.call('HDEL', KEYS[2], message)
    if redis.call('HEXISTS', KEYS[3], message) == 0 then redis.call('UNLINK', body) end
    freed = freed + 1
  end
end

-- What is dated in the future, because the clock was set back since, is of now.
local far = redis.call('ZRANGE', KEYS[1], string.format('(%d', latest), '+inf', 'BYSCORE', 'LIMIT', 0, limit)
for i = 1, #far do redis.call('ZADD', KEYS[1], latest, far[i]) end

local number = redis.call('ZCARD', KEYS[1])
octets = number > 0 and math.max(0, octets) or 0
redis.call('HSET', KEYS[4], 'kept_octets', octets)
if lasts > 0 then redis.call('HSET', KEYS[4], 'keep_until', latest + lasts)
else redis.call('HDEL', KEYS[4], 'keep_until') end
local goes = (presses or octets > most) and number or redis.call('ZCOUNT', KEYS[1], '-inf', now - keep)
return {freed, octets, math.min(goes, limit)}
