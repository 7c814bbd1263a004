#!lua flags=allow-oom
-- trim: forgets the oldest of what ended, of the keys, and of the events, by age and size; one bounded step.
--
-- KEYS   1 done   zset   2 e  hash   3 totals  hash   4 k  hash   5 kage  zset   6 m  hash   7 events  stream   8 clock  hash
--        9 late   zset   forgotten envelopes that ended otherwise after an uncertain attempt, by when they were forgotten
--        10 metrics  hash  finished|STATE: ended envelopes that are there, of those that ended since finished|since, ms
-- ARGV   1 keep finished, ms   2 keep finished, octets   3 keep events, ms   4 keep events, so many   5 at most so many   6 keep keys on, ms
--        7 keep keys that we made, ms   8 keep what is late, ms   9 and so many
--        10 what gives way because memory is short, whatever its age: "finished", "events" (but for the last ten
--           seconds'), "keys" (of ended messages, but for the last five minutes'), "": nothing
-- Rules  Goes by the time that was believed last: nothing is old by a clock that was just set ahead.
-- Reply  {finished forgotten, keys forgotten, entries of events forgotten, 1: there is more to forget}
local MADE, RECORDED, DELIVERED, UNCERTAIN = 33, 10000, 5, 8
local FINISHED = {[5] = 'finished|delivered', [6] = 'finished|bounced', [7] = 'finished|cancelled'}
local JUST_MADE = 300000
local limit, presses = tonumber(ARGV[5]), ARGV[10]
local _, time = store_time(KEYS[8])
local now, latest = time[2] > 0 and math.min(time[1], time[2]) or time[1], dated(time)

-- What is dated in the future, because the clock was set back since, is of now.
local function bring_back(key, from)
  local far = redis.call('ZRANGE', key, string.format('(%d', from), '+inf', 'BYSCORE', 'LIMIT', 0, limit)
  for i = 1, #far do redis.call('ZADD', key, from, far[i]) end
end
bring_back(KEYS[1], latest)
bring_back(KEYS[5], latest + tonumber(ARGV[6]))
bring_back(KEYS[9], latest)

-- What ended.
local octets = tonumber(redis.call('HGET', KEYS[3], 'done_octets') or '') or 0
local forgotten = 0
local oldest = redis.call('ZRANGE', KEYS[1], 0, limit - 1, 'WITHSCORES')
local gone, ended, late, fewer = {}, {}, {}, {}
local since = redis.pcall('HGET', KEYS[10], 'finished|since')
since = type(since) == 'string' and tonumber(since) or math.huge
for i = 1, #oldest, 2 do
  local is_old = tonumber(oldest[i + 1]) <= now - tonumber(ARGV[1]) or octets > tonumber(ARGV[2])
  if not is_old and presses ~= 'finished' then break end
  local record = redis.call('HGET', KEYS[2], oldest[i]) or ''
  gone[#gone + 1] = oldest[i]
  if is_whole(record) and string.byte(record, 2) >= DELIVERED then  -- what is live is not forgotten, whoever put it here
    octets = octets - #record
    ended[#ended + 1] = oldest[i]
    local state = FINISHED[string.byte(record, 2)]
    if state and tonumber(oldest[i + 1]) >= since then fewer[state] = (fewer[state] or 0) - 1 end
    if string.byte(record, 2) ~= DELIVERED and bit.band(string.byte(record, 3), UNCERTAIN) ~= 0 then
      late[#late + 1] = now
      late[#late + 1] = oldest[i]
    end
  end
end
if #gone > 0 then
  forgotten = #gone
  if #ended > 0 then redis.call('HDEL', KEYS[2], unpack(ended)) end
  redis.call('ZREM', KEYS[1], unpack(gone))
  redis.call('HSET', KEYS[3], 'done_octets', math.max(0, octets))
  count_up(KEYS[10], fewer)
end
if #late > 0 then redis.call('ZADD', KEYS[9], unpack(late)) end
redis.call('ZREMRANGEBYSCORE', KEYS[9], '-inf', now - tonumber(ARGV[8]))
redis.call('ZREMRANGEBYRANK', KEYS[9], 0, -1 - tonumber(ARGV[9]))

-- Keys. One of a message with live envelopes is looked at again later: one that we made when it is half as old again.
local keys, seen = 0, 0
local function forget_keys(from, to)
  local aged = redis.call('ZRANGE', KEYS[5], from, to, 'BYSCORE', 'LIMIT', 0, limit)
  seen = math.max(seen, #aged)
  for i = 1, #aged do
    local known = redis.call('HGET', KEYS[4], aged[i])
    if known and redis.call('HEXISTS', KEYS[6], string.sub(known, 1, 14)) == 1 then
      local keep = tonumber(ARGV[6])
      if #known == MADE or #known == MADE + 16 then
        local high, low = struct.unpack('>I2I4', known, 3)
        keep = math.min(keep, math.max(tonumber(ARGV[7]), (now - (high * 4294967296 + low)) / 2))
      end
      redis.call('ZADD', KEYS[5], math.floor(now + keep), aged[i])
    else
      redis.call('HDEL', KEYS[4], aged[i])
      redis.call('ZREM', KEYS[5], aged[i])
      keys = keys + 1
    end
  end
end
forget_keys('-inf', now)
-- Those that we made go soon anyway, and stand before all others.
if presses == 'keys' then forget_keys(now + tonumber(ARGV[7]), now + tonumber(ARGV[6]) - JUST_MADE) end

-- Events. Their entries are read, for an entry knows how many events there were before it.
local entries, read = 0, 0
local total = tonumber(redis.call('HGET', KEYS[3], 'events') or '') or 0
local newest_kept
while entries < limit and read < 1048576 and not newest_kept do
  local batches = redis.call('XRANGE', KEYS[7], '-', '+', 'COUNT', math.min(50, limit))
  local drop = 0
  for i = 1, #batches do
    local fields = batches[i][2]
    local at, number = tonumber(string.match(batches[i][1], '^%d+')), tonumber(fields[4] or 0)
    read = read + #fields[2]
    if total - number >= tonumber(ARGV[4]) or at < now - tonumber(ARGV[3])
        or (presses == 'events' and at < now - RECORDED) then
      drop = drop + 1
    else
      newest_kept = true
      break
    end
  end
  if drop > 0 then redis.call('XTRIM', KEYS[7], 'MAXLEN', '=', redis.call('XLEN', KEYS[7]) - drop) end
  entries = entries + drop
  if drop == 0 then break end
end
local more = forgotten >= limit or seen >= limit or (entries > 0 and not newest_kept)
return {forgotten, keys, entries, more and 1 or 0}
