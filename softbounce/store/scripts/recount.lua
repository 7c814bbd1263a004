#!lua flags=allow-oom
-- recount: one bounded step of a walk over what is counted for quotas: counts no more what ended without a word of it,
-- which an older version's scripts do, or was never accepted.
--
-- KEYS   1 counted  hash   message id -> envelopes (2), when they were reserved, ms (8; 0: accepted), rooms (16 each)
--        2 waiting  hash   room -> unfinished envelopes
--        3 m        hash   message id -> envelopes that are still live
--        4 clock    hash   the store's time, see the prelude
-- ARGV   1 cursor   2 about so many   3 for how long what is reserved may not be accepted yet, ms   4 .. messages to look at instead, whose
--        reservation is over
-- Reply  {cursor ("0": the walk is over), envelopes that are counted no more}
-- Cost   O(messages of the step)
local now, after, found = store_time(KEYS[4]), '0', {}
cleared(KEYS[1], 'hash')
cleared(KEYS[2], 'hash')
if #ARGV > 3 then
  for i = 4, #ARGV do
    found[#found + 1] = ARGV[i]
    found[#found + 1] = redis.call('HGET', KEYS[1], ARGV[i]) or ''
  end
else
  local step = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
  after, found = step[1], step[2]
end
local ended = 0
for i = 1, #found, 2 do
  local message, value = found[i], found[i + 1]
  local live = tonumber(redis.call('HGET', KEYS[3], message) or '') or 0
  if #value < 10 then
    redis.call('HDEL', KEYS[1], message)
  else
    local n, reserved = struct.unpack('>I2I8', value)
    local is_young = #ARGV < 4 and reserved > now - tonumber(ARGV[3])
    if live < n and not (live == 0 and is_young) then
      ended = ended + n - live
      for at = 11, #value - 15, 16 do
        local digest = string.sub(value, at, at + 15)
        if added(KEYS[2], digest, live - n) <= 0 then redis.call('HDEL', KEYS[2], digest) end
      end
      if live == 0 then redis.call('HDEL', KEYS[1], message)
      else redis.call('HSET', KEYS[1], message, struct.pack('>I2', live) .. string.sub(value, 3)) end
    end
  end
end
return {after, ended}
