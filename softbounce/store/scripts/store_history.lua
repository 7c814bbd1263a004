#!lua flags=allow-oom
-- store_history: tells how far a shard's history goes, and notes that it was seen so far: a restored copy goes less far.
--
-- KEYS   1 witness   hash     store: id, made once; at, event: its newest event was this one when it was noted, ms; holding, until: see ARGV
--        2 events    stream   3 m  hash   message id -> live envelopes   4 clock  hash   the store's time, see the prelude
-- ARGV   1 "look": changes nothing   "note": notes the newest event   "hold": a restored store's mail is being held since now,
--          of a copy that ends at 4; workers are not let in   "accept": that is over, or not wanted; notes the newest event
--        2 id for a store that has none
--        3 how far the caller saw it before, ms   4 note: by how much less it may go now, ms; hold: the end of the copy, ms
-- Reply  {store id, at, ms of the noted event, ms of the newest event, messages with live envelopes, holding since (0: not), until, now ms}
-- Rules  Noted times only grow, also while a clock that was set back is behind them: by less than time itself, so that it
--        catches up, and by enough for an older copy to be told some minutes later. What goes back too far is not noted, so
--        that the next caller sees it too.
local now = store_time(KEYS[4])
local known = redis.call('HMGET', KEYS[1], 'store', 'at', 'event', 'holding', 'until')
local store, event, newest = known[1] or '', known[3] or '0-0', '0-0'
local at, holding, till = tonumber(known[2] or '') or 0, tonumber(known[4] or '') or 0, tonumber(known[5] or '') or 0
if redis.call('EXISTS', KEYS[2]) == 1 then
  local facts = redis.call('XINFO', 'STREAM', KEYS[2])
  for i = 1, #facts, 2 do
    if facts[i] == 'last-generated-id' then newest = facts[i + 1] end
  end
end
local writes = {}
local function write(name, value)
  writes[#writes + 1] = name
  writes[#writes + 1] = value
end
local accepts = ARGV[1] == 'accept'
if ARGV[1] ~= 'look' and store == '' then
  store = ARGV[2]
  write('store', store)
end
if accepts or (ARGV[1] == 'note' and event ~= newest and at + tonumber(ARGV[4]) >= tonumber(ARGV[3])) then
  local behind = at - now > 60000
  at = math.max(now, at + (behind and 250 or 1), accepts and tonumber(ARGV[3]) + 1 or 0)
  event = newest
  write('at', at)
  write('event', event)
end
if accepts then
  redis.call('HDEL', KEYS[1], 'holding', 'until')
  holding, till = 0, 0
elseif ARGV[1] == 'hold' and holding == 0 then
  holding, till = now, tonumber(ARGV[4])
  write('holding', holding)
  write('until', till)
end
if #writes > 0 then redis.call('HSET', KEYS[1], unpack(writes)) end
local function ms(id) return tonumber(string.match(id, '^%d+') or 0) end
return {store, at, ms(event), ms(newest), redis.call('HLEN', KEYS[3]), holding, till, now}
