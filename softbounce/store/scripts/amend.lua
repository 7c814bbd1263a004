#!lua flags=allow-oom
-- amend: changes what is remembered of envelopes that bounced, and tells so. They stay bounced.
--
-- KEYS   1 e        hash    envelope id -> record
--        2 totals   hash    done_octets; events: how many there ever were
--        3 events   stream  field b: a msgpack array of events; n: the number of the last of them
-- ARGV   1 events kept   then per envelope: id, version as the caller saw it, new record, event (msgpack)
-- Reply  per envelope: 1 amended, 2 stale (another change came first), 3 gone
-- Cost   O(envelopes)
local BOUNCED = 6
local out, events, octets = {}, {}, 0
for i = 2, #ARGV, 4 do
  local current, new = redis.call('HGET', KEYS[1], ARGV[i]), ARGV[i + 2]
  if not current then
    out[#out + 1] = 3
  elseif not is_whole(current) or string.byte(current, 2) ~= BOUNCED or string.byte(new, 2) ~= BOUNCED
      or struct.unpack('>I4', current, 5) ~= tonumber(ARGV[i + 1]) then
    out[#out + 1] = 2
  else
    redis.call('HSET', KEYS[1], ARGV[i],
      string.sub(new, 1, 4) .. struct.pack('>I4', (tonumber(ARGV[i + 1]) + 1) % 4294967296) .. string.sub(new, 9))
    octets = octets + #new - #current
    events[#events + 1] = ARGV[i + 3]
    out[#out + 1] = 1
  end
end
if octets ~= 0 then added(KEYS[2], 'done_octets', octets) end
if #events > 0 then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[1], '*', 'b',
    string.char(220) .. struct.pack('>I2', #events) .. table.concat(events), 'n', added(KEYS[2], 'events', #events))
end
return out
