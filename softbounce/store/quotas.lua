-- Stands behind the prelude of the scripts that take from quotas. What they take is kept here, and written by
-- `written_down` alone, so that what is refused leaves nothing. Where no quota is asked, `quotas` is never called and costs nothing.
--
-- A bucket is a string, with an end to its life: the time, ms, up to which what was taken of it is paid for (GCRA). A
-- room is a field of the hash `waiting`: so many unfinished envelopes are counted.
--
-- refused      Whether n envelopes at once are too many for some limit: which (buckets, then rooms), and in how many ms
--              they are not (-1: not by waiting). Else they are taken from the buckets that refuse, and from the rooms.
-- begins       Takes one envelope from the buckets that let wait: after how many ms it begins, and which of them says so.
-- counted_as   What the hash `counted` has of a message: envelopes (2), when they were reserved, ms (8; 0: accepted), rooms (16 each).
local function quotas()
  local YEAR = 31536000000
  local paid, rooms_taken = {}, {}
  local function paid_of(bucket, now)
    local key, share, burst, waits = bucket[1], bucket[2], bucket[3], bucket[4]
    if not paid[key] then
      local stored = redis.pcall('GET', key)
      if type(stored) == 'table' then
        cleared(key, 'string')
        stored = nil
      end
      paid[key] = math.min(waits == 1 and now + YEAR or now + burst, tonumber(stored or '') or 0)
    end
    return math.max(now, paid[key])
  end
  local function refused(n, buckets, rooms, waiting, now)
    for i, bucket in ipairs(buckets) do
      local share, burst = bucket[2], bucket[3]
      local over = paid_of(bucket, now) + n * share - now - burst
      if bucket[4] == 0 and over > share / 2 then
        return i, n * share > burst + share / 2 and -1 or math.ceil(over)
      end
    end
    for i, room in ipairs(rooms) do
      local digest, most = room[1], room[2]
      rooms_taken[digest] = rooms_taken[digest] or tonumber(redis.call('HGET', waiting, digest) or '') or 0
      if rooms_taken[digest] + n > most then return #buckets + i, -1 end
    end
    for _, bucket in ipairs(buckets) do
      if bucket[4] == 0 then paid[bucket[1]] = paid_of(bucket, now) + n * bucket[2] end
    end
    for _, room in ipairs(rooms) do rooms_taken[room[1]] = rooms_taken[room[1]] + n end
  end
  local function begins(buckets, now)
    local wait, which = 0, nil
    for i, bucket in ipairs(buckets) do
      if bucket[4] == 1 then
        local after = math.min(paid_of(bucket, now) + bucket[2], now + YEAR)
        local slot = math.floor(after - now - math.max(bucket[2], bucket[3]) + 0.5)
        paid[bucket[1]] = after
        if slot > wait then wait, which = slot, i end
      end
    end
    return wait, which
  end
  local function counted_as(n, reserved, rooms)
    local digests = {}
    for i, room in ipairs(rooms) do digests[i] = room[1] end
    return struct.pack('>I2I8', n, reserved) .. table.concat(digests)
  end
  local function written_down(waiting, now)
    for key, time in pairs(paid) do
      if time > now then redis.call('SET', key, string.format('%.17g', time), 'PX', math.ceil(time - now)) end
    end
    for digest, number in pairs(rooms_taken) do redis.call('HSET', waiting, digest, number) end
  end
  return {refused = refused, begins = begins, counted_as = counted_as, written_down = written_down}
end
