-- Stands before every script, behind its first line: the store's time, which none of them works out by itself, how others
-- are woken, and what a record must be before any of them looks into it: whatever else is found in its place harms nothing
-- but itself.
--
-- store_time  Takes the key of a hash: seen, the time that was believed last, ms; by, whose steady clock said so. Answers
--             the server's now, ms; and {now, seen, by}, for whoever watches the clock.
-- dated       What happens now is of now; but while a clock that was set back is not believed it is as young as `seen`
--             says, or it would be old at once when that is set right.
local function store_time(clock)
  local time, known = redis.call('TIME'), redis.call('HMGET', clock, 'seen', 'by')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  return now, {now, tonumber(known[1] or '') or 0, known[2] or ''}
end
local function dated(time) return math.max(time[1], time[2]) end

-- wake_up      Says something on a channel, and answers how many heard it: nobody where this user may not speak there. A wake-up
--              may be lost; what a script has written already, or has yet to write, may not.
local function wake_up(channel, text)
  local heard = redis.pcall('SPUBLISH', channel, text)
  return type(heard) == 'number' and heard or 0
end

-- is_whole     Whether there is a record whose header scripts can read: of the layout they know, and not cut short.
-- rescheduled  A record as it is when it is *scheduled* for a time, ms, whatever it was.
-- added        A count of a hash with so much added; a count that is no number begins anew.
-- count_up     Adds to counters: a hash, and how much to which of its fields, in one write. What is no count begins anew.
-- cleared      Removes a key of another type than it should have: what it holds is nothing of ours.
local function is_whole(record)
  if not record or #record < 47 or string.byte(record, 1) ~= 1 then return false end
  local stream = 47 + struct.unpack('>I2', record, 45)
  return #record >= stream and #record >= stream + string.byte(record, stream)
end
local function rescheduled(record, time)
  return string.sub(record, 1, 1) .. '\1' .. string.sub(record, 3, 4)
    .. struct.pack('>I4', (struct.unpack('>I4', record, 5) + 1) % 4294967296) .. string.rep('\0', 8)
    .. string.sub(record, 17, 28) .. struct.pack('>I8', time) .. string.sub(record, 37)
end
local function cleared(key, kind)
  local is = redis.call('TYPE', key).ok
  if is ~= kind and is ~= 'none' then redis.call('UNLINK', key) end
end
local function added(hash, field, number)
  local sum = redis.pcall('HINCRBY', hash, field, number)
  if type(sum) == 'number' then return sum end
  redis.call('HDEL', hash, field)
  return redis.call('HINCRBY', hash, field, number)
end
local function count_up(hash, sums)
  local names, values = {}, {}
  for name in pairs(sums) do names[#names + 1] = name end
  if #names == 0 then return end
  local known = redis.pcall('HMGET', hash, unpack(names))
  if known.err then
    redis.call('UNLINK', hash)
    known = {}
  end
  for i, name in ipairs(names) do
    local sum = tonumber(known[i] or '') or 0
    if not (sum >= 0 and sum < 2 ^ 53) then sum = 0 end
    values[2 * i - 1] = name
    values[2 * i] = string.format('%.0f', math.max(0, sum + sums[name]))
  end
  redis.call('HSET', hash, unpack(values))
end
