#!lua flags=allow-oom
-- health: what a machine's last look found, put in place of what its caller saw there; and events of what changed.
--
-- The same is done for alerts: a table's name in a machine's place, and what it has standing; without events.
--
-- KEYS   1 health  hash     machine -> when it was looked at, who looks now, and what was found (or alerts)
--        2 events  stream   field b: a msgpack array of events; n: the number of the last of them
--        3 totals  hash     events: how many there ever were
-- ARGV   1 machine   2 revision of its entry as the caller saw it (0: none)   3 the entry that it gets, its revision in
--        front ("": none)   4 so many machines at most   5 events kept   6 how many events   7 the events
-- Reply  1 done, 0 another change came first, -1 there are too many
cleared(KEYS[1], 'hash')
local seen = redis.call('HGET', KEYS[1], ARGV[1])
local revision = seen and #seen >= 4 and struct.unpack('>I4', seen) or 0
if revision ~= tonumber(ARGV[2]) then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  if not seen and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return -1 end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
local number = tonumber(ARGV[6])
if number > 0 then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'b', string.char(220) .. struct.pack('>I2', number) .. ARGV[7],
    'n', added(KEYS[3], 'events', number))
end
return 1
