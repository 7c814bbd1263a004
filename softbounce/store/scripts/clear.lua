#!lua flags=allow-oom
-- clear: puts what waits in a ready list back to *scheduled*, due now, because nobody can serve a list of that name.
--
-- KEYS   1 e       hash    envelope id -> record
--        2 due     zset    envelope id by next attempt
--        3 lanes   set     names of ready lists that may have work
--        4 wake    channel
--        5 clock   hash    the store's time, see the prelude
--        6 a ready list
-- ARGV   1 its name
-- Reply  entries that are left
-- Rules  Only envelopes that are ready in a lane of that name move: entries may be stale, as in any list. Their attempts
--        and claims stay as they were. A list that is none is removed.
-- Cost   O(500)
local kind = redis.call('TYPE', KEYS[6]).ok
if kind ~= 'list' then
  redis.call('UNLINK', KEYS[6])
  redis.call('SREM', KEYS[3], ARGV[1])
  return 0
end
local now = store_time(KEYS[5])
local ids = redis.call('LPOP', KEYS[6], 500) or {}
local writes, due, taken = {}, {}, {}
local records = #ids > 0 and redis.call('HMGET', KEYS[1], unpack(ids)) or {}
for i = 1, #ids do
  local record = records[i]
  if is_whole(record) and string.byte(record, 2) == 2 and not taken[ids[i]] then
    taken[ids[i]] = true
    writes[#writes + 1] = ids[i]
    writes[#writes + 1] = rescheduled(record, now)
    due[#due + 1] = now
    due[#due + 1] = ids[i]
  end
end
if #writes > 0 then
  redis.call('HSET', KEYS[1], unpack(writes))
  redis.call('ZADD', KEYS[2], unpack(due))
  wake_up(KEYS[4], now)
end
local left = redis.call('LLEN', KEYS[6])
if left == 0 then redis.call('SREM', KEYS[3], ARGV[1]) end
return left
