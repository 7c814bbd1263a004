#!lua flags=allow-oom
-- late: tells of 250s whose envelopes were forgotten before they came.
--
-- KEYS   1 late     zset     forgotten envelopes that ended otherwise after an uncertain attempt, by when they were forgotten
--        2 events   stream   field b: a msgpack array of events; n: the number of the last of them
--        3 totals   hash     events: how many there ever were
--        4 metrics  hash     counters, see softbounce/counting.py
-- ARGV   1 events kept   2 "1": only of those in late, each once; "": of all   3 the counter of what is told ("": none)   then per envelope: id, event (msgpack)
-- Reply  per envelope: 1 told, 0 not
-- Cost   O(envelopes)
local out, events = {}, {}
for i = 4, #ARGV, 2 do
  local was_there = redis.call('ZREM', KEYS[1], ARGV[i]) == 1
  local tells = was_there or ARGV[2] == ''
  if tells then events[#events + 1] = ARGV[i + 1] end
  out[#out + 1] = tells and 1 or 0
end
if #events > 0 then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', 'b',
    string.char(220) .. struct.pack('>I2', #events) .. table.concat(events),
    'n', redis.call('HINCRBY', KEYS[3], 'events', #events))
  if ARGV[3] ~= '' then count_up(KEYS[4], {[ARGV[3]] = #events}) end
end
return out
