#!lua flags=allow-oom
-- aside: takes envelopes that nobody can read out of all queues, so that they stop nothing, or puts them back.
--
-- KEYS   1 aside   zset   envelopes that are set aside, by since when
--        2 e       hash   envelope id -> record, which stays as it is
--        3 due     zset   4 exp   zset   5 held   zset
--        6 claims:{process}  hash  of the process that had them; any name when none had
--        7 clock   hash   the store's time, see the prelude
-- ARGV   1 "on" or "off"   then envelope ids
-- Reply  how many are set aside by it, or were put back
-- Rules  What has no record is dropped. Put back, an envelope is in the queues of the state that its record has; where
--        that is *ready* or *attempting* the scheduler's slow walk finds it. Repeated it does the same again.
-- Cost   O(ids)
local now, done = store_time(KEYS[7]), 0
for i = 2, #ARGV do
  local id = ARGV[i]
  local record = redis.call('HGET', KEYS[2], id)
  if ARGV[1] == 'on' then
    for queue = 3, 5 do redis.call('ZREM', KEYS[queue], id) end
    redis.call('HDEL', KEYS[6], id)
    if record then done = done + redis.call('ZADD', KEYS[1], 'NX', now, id) end
  elseif not record then
    redis.call('ZREM', KEYS[1], id)
  elseif is_whole(record) then
    local state, at = string.byte(record, 2), struct.unpack('>I8', record, 29)
    if state < 5 then redis.call('ZADD', KEYS[4], struct.unpack('>I8', record, 37), id) end
    if state == 1 and at > 0 then redis.call('ZADD', KEYS[3], at, id) end
    if state == 4 then redis.call('ZADD', KEYS[5], now, id) end
    done = done + redis.call('ZREM', KEYS[1], id)
  end
end
return done
