#!lua flags=allow-oom
-- shelve: keeps a report that nobody understood, the newest first, up to so many.
--
-- KEYS   1 unread  list   reports, msgpack
-- ARGV   1 so many at most   2 the report
-- Reply  how many there are
cleared(KEYS[1], 'list')
redis.call('LPUSH', KEYS[1], ARGV[2])
redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[1]) - 1)
return redis.call('LLEN', KEYS[1])
