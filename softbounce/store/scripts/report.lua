#!lua flags=allow-oom
-- report: tells what was reported of envelopes that had left, each once.
--
-- KEYS   1 reported  zset     envelope id .. what was reported of it -> when, ms
--        2 events    stream   field b: a msgpack array of events; n: the number of the last of them
--        3 totals    hash     events: how many there ever were
--        4 clock     hash     the store's time, see the prelude
--        5 came_back hash     envelope id .. what was reported of it -> how, msgpack
-- ARGV   1 events kept   2 what was reported is remembered for so long, ms   3 and at most so many
--        then per report: envelope id .. what is reported of it, event (msgpack), how (msgpack)
-- Reply  per report: 1 told, 0 it was told before
-- Cost   O(reports log reported), and 1,000 that are forgotten
cleared(KEYS[1], 'zset')
cleared(KEYS[5], 'hash')
local now, time = store_time(KEYS[4])
local at = dated(time)
local out, events = {}, {}
for i = 4, #ARGV, 3 do
  local is_new = not redis.call('ZSCORE', KEYS[1], ARGV[i])
  if is_new then
    redis.call('ZADD', KEYS[1], at, ARGV[i])
    redis.call('HSET', KEYS[5], ARGV[i], ARGV[i + 2])
    events[#events + 1] = ARGV[i + 1]
  end
  out[#out + 1] = is_new and 1 or 0
end
if #events > 0 then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', 'b',
    string.char(220) .. struct.pack('>I2', #events) .. table.concat(events), 'n', added(KEYS[3], 'events', #events))
  local too_old = redis.call('ZCOUNT', KEYS[1], '-inf', now - tonumber(ARGV[2]))
  local forgotten = math.min(math.max(too_old, redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[3])), 1000)
  if forgotten > 0 then
    redis.call('HDEL', KEYS[5], unpack(redis.call('ZRANGE', KEYS[1], 0, forgotten - 1)))
    redis.call('ZREMRANGEBYRANK', KEYS[1], 0, forgotten - 1)
  end
end
return out
