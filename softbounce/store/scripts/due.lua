#!lua flags=allow-oom,no-writes
-- due: what is due, with the headers that a release needs. Reads only; `release` compares before it moves.
--
-- KEYS   1 due   zset   envelope id by next attempt
--        2 exp   zset   envelope id by when to look at its expiry
--        3 e     hash   envelope id -> record
--        4 clock hash   the store's time, see the prelude
-- ARGV   1 at most so many   2, 3 after the one time, ms, and before the other nothing is due, though it is past ("": all is)
-- Reply  {time as the prelude tells it, next attempt due after these (ms, -1: none), first expiry to look at (ms, -1: none), id, header, id, header ...}; of what is no record the
--        beginning, of a missing one ''
-- Rules  Of more than so many the half that is due for longest and the half that is due since just now: what comes due
--        beside a million others, or behind what an outage left, waits for none of them, and those wait for nothing.
-- Cost   O(log scheduled + n)
local now, time = store_time(KEYS[4])
local limit, held = tonumber(ARGV[1]), tonumber(ARGV[2])
local function planned(from, to, most) return redis.call('ZRANGE', KEYS[1], from, to, 'BYSCORE', 'LIMIT', 0, most) end
local ids = planned('-inf', held and math.min(held, now) or now, limit)
if held and #ids < limit then
  for _, id in ipairs(planned(ARGV[3], now, limit - #ids)) do ids[#ids + 1] = id end
end
if #ids == limit then
  local taken, last = {}, {}
  for i = 1, math.ceil(limit / 2) do taken[ids[i]] = true end
  for _, id in ipairs(redis.call('ZRANGE', KEYS[1], now, held and ARGV[3] or '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, math.floor(limit / 2))) do
    if not taken[id] then last[#last + 1] = id end
  end
  if #last == math.floor(limit / 2) then
    for i = 1, #last do ids[limit + 1 - i] = last[i] end
  end
end
local after = held and redis.call('ZRANGE', KEYS[1], string.format('(%d', now), '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
  or redis.call('ZRANGE', KEYS[1], #ids, #ids, 'WITHSCORES')
local expiry = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local function score(entry) return entry[2] and math.max(0, math.min(math.floor(tonumber(entry[2])), 2 ^ 53)) or -1 end
local out = {time, score(after), score(expiry)}
if #ids > 0 then
  local records = redis.call('HMGET', KEYS[3], unpack(ids))
  for i = 1, #ids do
    local record = records[i]
    out[#out + 1] = ids[i]
    if record and not is_whole(record) then
      out[#out + 1] = string.sub(record, 1, 47)
    elseif record then
      local lane = struct.unpack('>I2', record, 45)
      local stream = string.byte(record, 47 + lane)
      out[#out + 1] = string.sub(record, 1, 47 + lane + stream)
    else
      out[#out + 1] = ''
    end
  end
end
return out
