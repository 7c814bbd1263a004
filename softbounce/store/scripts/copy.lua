#!lua flags=allow-oom
-- copy: keeps a copy of a message that a playground accepted, for looking at; the oldest go where there are too many. Or forgets all.
--
-- KEYS   1 copies  stream  m: message id, k: what is known of it, o: octets of its copy   2 copied  hash  message id -> its copy
-- ARGV   1 message id ("": forget all)   2 what is known of it   3 its copy   4 so many octets at most   5 so many copies at most
-- Reply  how many there are
-- Cost   O(what goes)
cleared(KEYS[1], 'stream')
cleared(KEYS[2], 'hash')
if ARGV[1] == '' then
  redis.call('UNLINK', KEYS[1], KEYS[2])
  return 0
end
local octets = #ARGV[2] + #ARGV[3]
local most = tonumber(ARGV[4])
if octets > most then return redis.call('XLEN', KEYS[1]) end
redis.call('XADD', KEYS[1], '*', 'm', ARGV[1], 'k', ARGV[2], 'o', octets)
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
local kept = added(KEYS[2], 'octets', octets)
while kept > most or redis.call('XLEN', KEYS[1]) > tonumber(ARGV[5]) do
  local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  if not oldest then break end
  redis.call('XDEL', KEYS[1], oldest[1])
  redis.call('HDEL', KEYS[2], oldest[2][2])
  kept = added(KEYS[2], 'octets', -oldest[2][6])
end
return redis.call('XLEN', KEYS[1])
