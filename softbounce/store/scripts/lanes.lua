#!lua flags=allow-oom
-- lanes: takes or hands back lanes for a process, or writes or forgets their state, and tells which closed or opened by it.
-- Politeness only: claims do not depend on it.
--
-- KEYS   1 owner   hash   lane -> process
--        2 live    set    processes that may claim (home shard)
--        3 lane    hash   lane -> state (msgpack)
--        4 hint    hash   lane -> when a job was sent, ms
--        5 told    hash   lane -> what it was told of while nobody had it, see wake
--        6 closed  zset   lanes that closed, by until when, ms
--        7 events  stream   field b: a msgpack array of events; n: the number of the last of them
--        8 totals  hash     events: how many there ever were
--        9 news    channel
-- ARGV   1 "take" | "give" | "save" | "forget"   2 process   3 events kept   then: take, give: lanes; save: lane, state
--        ("" forgets it), closed until, ms (0: it is open), the event that says which of the two it is, ...; forget: the
--        same, each only if its state is still this one
-- Reply  take: per lane {1 or 0, state or '', told or ''}; else how many
local out = {}
if ARGV[1] == 'take' then
  for i = 4, #ARGV do
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
  for i = 4, #ARGV do
    if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[2] then
      redis.call('HDEL', KEYS[1], ARGV[i])
      redis.call('HDEL', KEYS[5], ARGV[i])
      done = done + 1
    end
  end
else
  cleared(KEYS[6], 'zset')
  local told = {}
  local forgets = ARGV[1] == 'forget'
  for i = 4, #ARGV, 4 do
    if not forgets or redis.call('HGET', KEYS[3], ARGV[i]) == ARGV[i + 1] then
      if forgets or ARGV[i + 1] == '' then redis.call('HDEL', KEYS[3], ARGV[i])
      else redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
      local is_other  -- a lane that closes longer is no news
      if ARGV[i + 2] == '0' then is_other = redis.call('ZREM', KEYS[6], ARGV[i])
      else is_other = redis.call('ZADD', KEYS[6], ARGV[i + 2], ARGV[i]) end
      if is_other == 1 then told[#told + 1] = ARGV[i + 3] end
      done = done + 1
    end
  end
  if #told > 0 then
    redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[3], '*',
      'b', string.char(220) .. struct.pack('>I2', #told) .. table.concat(told), 'n', added(KEYS[8], 'events', #told))
    wake_up(KEYS[9], 'lanes')
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', redis.call('TIME')[1] * 1000 - 7 * 86400000)
end
return done
