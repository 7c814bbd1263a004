#!lua flags=allow-oom,no-writes
-- look: whole records whose expiry is to be looked at, or the next step of a walk over all live ones.
--
-- KEYS   1 exp   zset   envelope id by when to look; or held   zset   held envelopes, for a walk over these alone
--        2 e     hash   envelope id -> record
--        3 clock hash   the store's time, see the prelude
-- ARGV   1 "due" (score up to now) or "walk"   2 cursor of the walk   3 at most (walk: about) so many
-- Reply  {time as the prelude tells it, cursor ("0": the walk is over), id, record, id, record ...}; a missing record is ''
local now, time = store_time(KEYS[3])
local ids, cursor = {}, '0'
if ARGV[1] == 'due' then
  ids = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[3])
else
  local step = redis.call('ZSCAN', KEYS[1], ARGV[2], 'COUNT', ARGV[3])
  cursor = step[1]
  for i = 1, #step[2], 2 do ids[#ids + 1] = step[2][i] end
end
local out = {time, cursor}
for from = 1, #ids, 500 do
  local part = {}
  for i = from, math.min(#ids, from + 499) do part[#part + 1] = ids[i] end
  local records = redis.call('HMGET', KEYS[2], unpack(part))
  for i = 1, #part do
    out[#out + 1] = part[i]
    out[#out + 1] = records[i] or ''
  end
end
return out
