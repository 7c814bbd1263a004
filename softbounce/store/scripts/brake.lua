#!lua flags=allow-oom
-- brake: holds a stream, or something else, as a whole, or releases it, unless somebody did meanwhile; tells so, once.
--
-- KEYS   1 brake, or standing   hash   what is held -> whether it is, why, and when it was released last
--        2 events  stream   field b: a msgpack array of events; n: the number of the last of them
--        3 totals  hash     events: how many there ever were
--        4 news    channel
-- ARGV   1 what   2 revision of its entry as the caller saw it (0: none)   3 the entry that it gets, its revision in
--        front ("": none)   4 events kept   5 the event ("": none)   6 so many at most
-- Reply  1 done, 0 another change came first, -1 there are too many
cleared(KEYS[1], 'hash')
local seen = redis.call('HGET', KEYS[1], ARGV[1])
local revision = seen and #seen >= 4 and struct.unpack('>I4', seen) or 0
if revision ~= tonumber(ARGV[2]) then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  if not seen and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[6]) then return -1 end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
if ARGV[5] ~= '' then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'b', string.char(220) .. struct.pack('>I2', 1) .. ARGV[5],
    'n', added(KEYS[3], 'events', 1))
  wake_up(KEYS[4], 'brake')
end
return 1
