#!lua flags=allow-oom
-- action: changes an action that is under way, unless another change came first; one that is over goes into the log of actions.
--
-- KEYS   1 actions  hash   id -> revision (4) .. record, of actions that are under way
--        2 acted    list   records of actions that are over, the latest first; or acted_one, of acts on one thing
--        3 news     channel
-- ARGV   1 id   2 its revision as the caller saw it (0: it is not there)   3 what it gets, its revision in front ("": it is over)
--        4 record for the log ("": none)   5 so many under way at most   6 so many in the log   7 "1": somebody is to look at it now
--        8 record of its beginning, which leaves the log ("": none)
-- Reply  1 done, 0 another change came first, -1 there are too many
-- Cost   O(1); with 8 O(what came into the log meanwhile)
cleared(KEYS[1], 'hash')
cleared(KEYS[2], 'list')
local seen = redis.call('HGET', KEYS[1], ARGV[1])
local revision = seen and #seen >= 4 and struct.unpack('>I4', seen) or 0
if revision ~= tonumber(ARGV[2]) then return 0 end
if ARGV[3] ~= '' then
  if not seen and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then return -1 end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
if ARGV[8] ~= '' then redis.call('LREM', KEYS[2], 1, ARGV[8]) end
if ARGV[4] ~= '' then
  redis.call('LPUSH', KEYS[2], ARGV[4])
  redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[6]) - 1)
end
if ARGV[7] == '1' then wake_up(KEYS[3], 'actions') end
return 1
