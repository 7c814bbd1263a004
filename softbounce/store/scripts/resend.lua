#!lua
-- resend: for envelopes that ended makes new ones of the same messages, each once, and notes that on the old ones.
-- Like accept it has no allow-oom: what is sent again is new mail to a full store.
--
-- KEYS   1 e        hash    envelope id -> record
--        2 m        hash    message id -> live envelopes
--        3 due      zset    4 exp  zset
--        5 totals   hash    done_octets; events: how many there ever were
--        6 events   stream  field b: a msgpack array of events; n: the number of the last of them
--        7 wake     channel
--        8 clock    hash    the store's time, see the prelude
--        9 counted  hash    message id -> what is counted of it, see move
--       10 waiting  hash    room -> unfinished envelopes
--       11 metrics  hash    counters, see softbounce/counting.py
--       12 ..       the bodies of the messages
-- ARGV   1 events kept   2 number of envelopes n
--        then per envelope: id, version as the caller saw it, its record that knows of the new one, id of the new one, record of the new one
--        whose times are zero, window, ms, after how long to look at the expiry for the first time, ms, not before, ms (0: now), two events
--        (msgpack): of the old one, of the new one
-- Reply  per envelope: 1 made, 2 stale (another change came first), 3 gone (no record), 4 its body is gone, 5 it was made before
-- Rules  The old one stays as it ended.
-- Cost   O(envelopes)
local FINAL = 5
local now, time = store_time(KEYS[8])
local created = dated(time)
local count = tonumber(ARGV[2])
local out, writes, due, exp, events = {}, {}, {}, {}, {}
local octets, soonest = 0, nil
local seen = {}
for i = 1, count do
  local base = 10 * i - 7
  local id, new, fresh = ARGV[base], ARGV[base + 2], ARGV[base + 3]
  local current = redis.call('HGET', KEYS[1], id)
  if not current then
    out[i] = 3
  elseif seen[fresh] or redis.call('HEXISTS', KEYS[1], fresh) == 1 then
    out[i] = 5
  elseif not is_whole(current) or string.byte(current, 2) < FINAL or string.byte(current, 2) ~= string.byte(new, 2)
      or struct.unpack('>I4', current, 5) ~= tonumber(ARGV[base + 1]) then
    out[i] = 2
  elseif redis.call('EXISTS', KEYS[11 + i]) == 0 then
    out[i] = 4
  else
    out[i] = 1
    seen[fresh] = true
    local record, window = ARGV[base + 4], tonumber(ARGV[base + 5])
    local begin = math.max(now, tonumber(ARGV[base + 7]))
    local ages = math.max(created, begin)
    soonest = math.min(soonest or begin, begin)
    writes[#writes + 1] = id
    writes[#writes + 1] = string.sub(new, 1, 4) .. struct.pack('>I4', (tonumber(ARGV[base + 1]) + 1) % 4294967296) .. string.sub(new, 9)
    writes[#writes + 1] = fresh
    writes[#writes + 1] = string.sub(record, 1, 20) .. struct.pack('>I8I8I8', created, begin, ages + window) .. string.sub(record, 45)
    octets = octets + #new - #current
    due[#due + 1] = begin
    due[#due + 1] = fresh
    exp[#exp + 1] = ages + tonumber(ARGV[base + 6])
    exp[#exp + 1] = fresh
    events[#events + 1] = ARGV[base + 8] .. ARGV[base + 9]
    local message = string.sub(fresh, 1, 14)
    added(KEYS[2], message, 1)
    local value = redis.pcall('HGET', KEYS[9], message)
    if type(value) == 'string' and #value >= 10 then
      redis.call('HSET', KEYS[9], message, struct.pack('>I2', struct.unpack('>I2', value) + 1) .. string.sub(value, 3))
      for at = 11, #value - 15, 16 do added(KEYS[10], string.sub(value, at, at + 15), 1) end
    end
  end
end
if #writes == 0 then return out end
local first = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
redis.call('HSET', KEYS[1], unpack(writes))
redis.call('ZADD', KEYS[3], unpack(due))
redis.call('ZADD', KEYS[4], unpack(exp))
if octets ~= 0 then added(KEYS[5], 'done_octets', octets) end
redis.call('XADD', KEYS[6], 'MAXLEN', '~', ARGV[1], '*', 'b',
  string.char(220) .. struct.pack('>I2', 2 * #events) .. table.concat(events), 'n', added(KEYS[5], 'events', 2 * #events))
count_up(KEYS[11], {['accepted|resend'] = #events})
if not first[1] or tonumber(first[2]) > soonest then wake_up(KEYS[7], soonest) end
return out
