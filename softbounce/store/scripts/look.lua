#!lua flags=allow-oom,no-writes
-- look: whole records whose expiry is to be looked at, or that hold a place in the walk of a reload.
--
-- KEYS   1 exp   zset   envelope id by when to look
--        2 e     hash   envelope id -> record
-- ARGV   1 "due" (score up to now) or "all" (by rank)   2 offset   3 at most so many
-- Reply  {now ms, id, record, id, record ...}; a missing record is ''
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ids
if ARGV[1] == 'due' then
  ids = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', ARGV[2], ARGV[3])
else
  ids = redis.call('ZRANGE', KEYS[1], ARGV[2], ARGV[2] + ARGV[3] - 1)
end
local out = {now}
if #ids > 0 then
  local records = redis.call('HMGET', KEYS[2], unpack(ids))
  for i = 1, #ids do
    out[#out + 1] = ids[i]
    out[#out + 1] = records[i] or ''
  end
end
return out
