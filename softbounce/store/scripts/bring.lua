#!lua flags=allow-oom
-- bring: brings those forward who stand first in a line, because what they waited for is over (scheduled, due sooner).
--
-- KEYS   1 e       hash    envelope id -> record
--        2 due     zset    envelope id by next attempt
--        3 wake    channel
--        4 clock   hash    the store's time, see the prelude
--        5 a line  list    envelope id and, in 8 octets, the time for which it was scheduled when it was put there
-- ARGV   1 so many at most (500)   2 due in so many ms
-- Reply  {brought, entries left}
-- Rules  Only what is scheduled for that very time still: whoever was tried, held or planned anew since has a clock of
--        its own. Nobody comes later than was planned. Version grows by one.
-- Cost   O(entries looked at), 500 at most
cleared(KEYS[5], 'list')
local now = store_time(KEYS[4])
local limit, at = tonumber(ARGV[1]), now + tonumber(ARGV[2])
local due, looks = {}, 500
while #due < 2 * limit and looks > 0 do
  local entries = redis.call('LPOP', KEYS[5], math.min(limit - #due / 2, looks))
  if not entries then break end
  looks = looks - #entries
  local ids = {}
  for i = 1, #entries do ids[i] = string.sub(entries[i], 1, -9) end
  local records = redis.call('HMGET', KEYS[1], unpack(ids))
  local writes, taken = {}, {}
  for i = 1, #ids do
    local record = records[i]
    if is_whole(record) and string.byte(record, 2) == 1 and string.sub(record, 29, 36) == string.sub(entries[i], -8)
        and struct.unpack('>I8', record, 29) > at and not taken[ids[i]] then
      taken[ids[i]] = true
      writes[#writes + 1] = ids[i]
      writes[#writes + 1] = rescheduled(record, at)
      due[#due + 1] = at
      due[#due + 1] = ids[i]
    end
  end
  if #writes > 0 then redis.call('HSET', KEYS[1], unpack(writes)) end
end
if #due > 0 then
  redis.call('ZADD', KEYS[2], unpack(due))
  wake_up(KEYS[3], at)
end
return {#due / 2, redis.call('LLEN', KEYS[5])}
