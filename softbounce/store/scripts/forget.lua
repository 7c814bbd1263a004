#!lua flags=allow-oom
-- forget: takes fields out of a hash of small facts, each only if it is as the caller saw it.
--
-- KEYS   1 a hash
-- ARGV   per field: name, value as it was seen
-- Reply  how many were forgotten
-- Cost   O(fields)
local gone = 0
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
    gone = gone + 1
  end
end
return gone
