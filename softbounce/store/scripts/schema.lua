#!lua flags=allow-oom
-- schema: reads what this store is; with a number of shards, also writes it where nothing was written yet.
--
-- KEYS   1 schema   hash   {version, shards}
-- ARGV   1 version   2 shards (0: only read)
-- Reply  {version, shards} as the store has them; {0, 0}: nothing was written yet
if redis.call('EXISTS', KEYS[1]) == 0 then
  if ARGV[2] == '0' then return {0, 0} end
  redis.call('HSET', KEYS[1], 'version', ARGV[1], 'shards', ARGV[2])
end
return {tonumber(redis.call('HGET', KEYS[1], 'version')), tonumber(redis.call('HGET', KEYS[1], 'shards'))}
