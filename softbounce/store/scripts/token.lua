#!lua flags=allow-oom
-- token: adds a token under a name that is free, or revokes the one of that name.
--
-- KEYS   1 tokens   hash   name -> what is known of the token (its hash among it, never the token)
-- ARGV   1 name   2 record ("" revokes)   3 most tokens that there may be
-- Reply  1 done; 0 the name is taken (or, to revoke, there is none); -1 there are too many
local there = redis.call('HEXISTS', KEYS[1], ARGV[1])
if ARGV[2] == '' then return redis.call('HDEL', KEYS[1], ARGV[1]) end
if there == 1 then return 0 end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return -1 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
