#!lua flags=allow-oom
-- webhook: takes a webhook's receiver for a process, notes how far it was told and what it did not take, or lets it go.
--
-- KEYS   1 webhook        hash    receiver -> its owner's token (8), until when he owns it, ms (8), how far it was told
--        2 untold:{name}  hash    place in the event log -> an event that waits for its next attempt, or behind one
--        3 dead:{name}    stream  field d: an event that was given up
--        4 clock          hash    the store's time, see the prelude
--        5 events         stream  field b: a msgpack array of events; n: the number of the last of them
--        6 totals         hash    events: how many there ever were
-- ARGV   1 name   2 token   3 lease, ms (0 lets it go; -1 forgets the receiver, if nobody owns it)
--        4 how far it was told ("" leaves that)   5 receivers at most   6 dead kept   7 events kept
--        then four lists, each with its length in front: events to tell; what is dead now; ids of dead that are so no
--        more; places that are not untold any more. What is left are pairs of a place and its event.
-- Reply  {now ms, 1 done | 0 another owns it | -1 there are too many, until when it is owned, how far it was told}
-- Rules  Who does not own it changes nothing. How far it was told and what it did not take change together or not at all.
local AT_ONCE = 1000 -- an even number
local name, token, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = store_time(KEYS[4])
cleared(KEYS[1], 'hash')
local is = redis.call('HGET', KEYS[1], name)
local known = is and #is >= 16
local owner, ends, told = string.rep('\0', 8), 0, ''
if known then
  owner, ends, told = string.sub(is, 1, 8), struct.unpack('>I8', string.sub(is, 9, 16)), string.sub(is, 17)
end
if owner ~= token and ends > now then return {now, 0, ends, told} end
if lease < 0 then
  redis.call('HDEL', KEYS[1], name)
  redis.call('UNLINK', KEYS[2], KEYS[3])
  return {now, 1, 0, ''}
end
if not is and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then return {now, -1, 0, ''} end
if ARGV[4] ~= '' then told = ARGV[4] end
local at = 8
local function list()
  local from = at + 1
  at = from + tonumber(ARGV[at])
  return from, at - 1
end

local from, to = list()
if to >= from then
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[7], '*',
    'b', string.char(220) .. struct.pack('>I2', to - from + 1) .. table.concat(ARGV, '', from, to),
    'n', added(KEYS[6], 'events', to - from + 1))
end
from, to = list()
if to >= from then cleared(KEYS[3], 'stream') end
for i = from, to do redis.call('XADD', KEYS[3], 'MAXLEN', '=', ARGV[6], '*', 'd', ARGV[i]) end
from, to = list()
if to >= from then redis.call('XDEL', KEYS[3], unpack(ARGV, from, to)) end
from, to = list()
if to >= from or at < #ARGV then cleared(KEYS[2], 'hash') end
for i = from, to, AT_ONCE do redis.call('HDEL', KEYS[2], unpack(ARGV, i, math.min(i + AT_ONCE - 1, to))) end
for i = at, #ARGV, AT_ONCE do redis.call('HSET', KEYS[2], unpack(ARGV, i, math.min(i + AT_ONCE - 1, #ARGV))) end
ends = lease > 0 and now + lease or 0
redis.call('HSET', KEYS[1], name, token .. struct.pack('>I8', ends) .. told)
return {now, 1, ends, told}
