#!lua flags=allow-oom
-- put: sets or forgets fields of a hash of small facts (where domains go, whose journal was replayed).
--
-- KEYS   1 a hash
-- ARGV   per field: name, value ("" forgets it)
-- Reply  how many
for i = 1, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[1], ARGV[i])
  else redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
return #ARGV / 2
