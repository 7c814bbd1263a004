#!lua flags=allow-oom
-- return_keys: the keys that sign return paths; makes the first one, and another when the current one is old.
--
-- KEYS   1 returns  hash   current, before: since when, ms (8), and a key (32)
--        2 clock    hash   the store's time, see the prelude
-- ARGV   1 a new key, for the case that one is needed   2 after so long another one signs, ms
-- Reply  {current, before}, each without its time; before may be ""
-- Rules  Goes by the time that was believed last: no key is old by a clock that was just set ahead.
local ENTRY = 40
cleared(KEYS[1], 'hash')
local _, time = store_time(KEYS[2])
local now = time[2] > 0 and math.min(time[1], time[2]) or time[1]
local known = redis.call('HMGET', KEYS[1], 'current', 'before')
local current = known[1] and #known[1] == ENTRY and known[1]
local before = known[2] and #known[2] == ENTRY and known[2]
if not current or now - struct.unpack('>I8', current) >= tonumber(ARGV[2]) then
  before = current or before
  current = struct.pack('>I8', now) .. ARGV[1]
  redis.call('HSET', KEYS[1], 'current', current)
  if before then redis.call('HSET', KEYS[1], 'before', before) end
end
return {string.sub(current, 9), before and string.sub(before, 9) or ''}
