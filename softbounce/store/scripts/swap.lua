#!lua
-- swap: sets fields of a hash of small facts, each only if it is as the caller saw it. Without allow-oom, as accept: what
-- is merely to be remembered takes no memory that mail under way needs.
--
-- KEYS   1 a hash
-- ARGV   1 so many fields at most   then per field: name, value as it was seen ("": there was none), new value
-- Reply  per field: 1 set, 0 another change came first, -1 there are too many
-- Cost   O(fields)
cleared(KEYS[1], 'hash')
local left = tonumber(ARGV[1]) - redis.call('HLEN', KEYS[1])
local out = {}
for i = 2, #ARGV, 3 do
  local seen = redis.call('HGET', KEYS[1], ARGV[i]) or ''
  if seen ~= ARGV[i + 1] then
    out[#out + 1] = 0
  elseif seen == '' and left <= 0 then
    out[#out + 1] = -1
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
    if seen == '' then left = left - 1 end
    out[#out + 1] = 1
  end
end
return out
