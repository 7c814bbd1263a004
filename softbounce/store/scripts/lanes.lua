#!lua flags=allow-oom
-- lanes: takes or hands back lanes for a process, or writes their state. Politeness only: claims do not depend on it.
--
-- KEYS   1 owner   hash   lane -> process
--        2 live    set    processes that may claim (home shard)
--        3 lane    hash   lane -> state (msgpack)
--        4 hint    hash   lane -> when a job was sent, ms
--        5 told    hash   lane -> what it was told of while nobody had it, see wake
--        6 closed  zset   lanes that closed, by until when, ms
-- ARGV   1 "take" | "give" | "save"   2 process   then: take, give: lanes; save: lane, state ("" forgets it), closed until, ms (0: it is open), ...
-- Reply  take: per lane {1 or 0, state or '', told or ''}; else how many
local out = {}
if ARGV[1] == 'take' then
  for i = 3, #ARGV do
    local owner = redis.call('HGET', KEYS[1], ARGV[i])
    local free = not owner or owner == ARGV[2] or redis.call('SISMEMBER', KEYS[2], owner) == 0
    if free and redis.call('SISMEMBER', KEYS[2], ARGV[2]) == 1 then
      redis.call('HSET', KEYS[1], ARGV[i], ARGV[2])
      redis.call('HDEL', KEYS[4], ARGV[i])
      out[#out + 1] = {1, redis.call('HGET', KEYS[3], ARGV[i]) or '', redis.call('HGET', KEYS[5], ARGV[i]) or ''}
    else
      out[#out + 1] = {0, '', ''}
    end
  end
  return out
end
local done = 0
if ARGV[1] == 'give' then
  for i = 3, #ARGV do
    if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[2] then
      redis.call('HDEL', KEYS[1], ARGV[i])
      redis.call('HDEL', KEYS[5], ARGV[i])
      done = done + 1
    end
  end
else
  cleared(KEYS[6], 'zset')
  for i = 3, #ARGV, 3 do
    if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[3], ARGV[i])
    else redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
    if ARGV[i + 2] == '0' then redis.call('ZREM', KEYS[6], ARGV[i])
    else redis.call('ZADD', KEYS[6], ARGV[i + 2], ARGV[i]) end
    done = done + 1
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', redis.call('TIME')[1] * 1000 - 86400000)
end
return done
