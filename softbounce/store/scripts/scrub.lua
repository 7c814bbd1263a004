#!lua flags=allow-oom
-- scrub: one bounded step of a slow walk over all records: mends what a queue lacks, and tells what only others can mend.
--
-- KEYS   1 e      hash   envelope id -> record
--        2 due    zset   3 exp   zset   4 held   zset   5 aside   zset
--        6 wake   channel
--        7 clock  hash   the store's time, see the prelude
-- ARGV   1 cursor   2 about so many
-- Reply  {cursor ("0": the walk is over), mended, {id of what is no record, ...}, {id, claim token of what is being attempted, ...},
--        {lane, stream, share, ids and versions of what is ready there (16 and 4 octets each), ...},
--        {for each live state when the oldest of it was created, ms (0: there is none)}}
-- Rules  A live envelope is in exp, a planned one in due, a held one in held: scripts see to that, and this to what no
--        script of ours did. One that is ready in a lane whose name is none is planned for now, to be routed anew. What
--        is set aside is left alone.
-- Cost   O(records of the step)
local step = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local now, mended = store_time(KEYS[7]), 0
local any_aside = redis.call('ZCARD', KEYS[5]) > 0
local odd, attempting, lists, packed, oldest = {}, {}, {}, {}, {0, 0, 0, 0}
local function lacks(queue, id, score)
  if redis.call('ZSCORE', KEYS[queue], id) then return end
  redis.call('ZADD', KEYS[queue], score, id)
  mended = mended + 1
end
for i = 1, #step[2], 2 do
  local id, record = step[2][i], step[2][i + 1]
  if not any_aside or not redis.call('ZSCORE', KEYS[5], id) then
    local state = is_whole(record) and #id == 16 and string.byte(record, 2)
    if not state or state < 1 or state > 7 then
      odd[#odd + 1] = id
    elseif state < 5 then
      local at, created = struct.unpack('>I8', record, 29), struct.unpack('>I8', record, 21)
      if oldest[state] == 0 or created < oldest[state] then oldest[state] = created end
      lacks(3, id, struct.unpack('>I8', record, 37))
      if state == 1 and at > 0 then lacks(2, id, at)
      elseif state == 4 then lacks(4, id, now)
      elseif state == 3 then
        attempting[#attempting + 1] = id
        attempting[#attempting + 1] = string.sub(record, 9, 16)
      elseif state == 2 then
        local length = struct.unpack('>I2', record, 45)
        local lane = string.sub(record, 47, 46 + length)
        if length > 320 or not string.find(lane, '^%??[%w_%.:%[%]%+~%-]+$') then
          redis.call('HSET', KEYS[1], id, rescheduled(record, now))
          redis.call('ZADD', KEYS[2], now, id)
          wake_up(KEYS[6], now)
          mended = mended + 1
        else
          local stream = string.sub(record, 48 + length, 47 + length + string.byte(record, 47 + length))
          local share = math.floor(string.byte(id, 3) / 4) + (struct.unpack('>I4', record, 17) > 0 and 64 or 0)
          local name = lane .. '|' .. share .. '|' .. stream
          if not packed[name] then
            packed[name] = {}
            lists[#lists + 1] = {lane, stream, share, packed[name]}
          end
          table.insert(packed[name], id .. string.sub(record, 5, 8))
        end
      end
    end
  end
end
local out = {}
for _, list in ipairs(lists) do
  out[#out + 1] = list[1]
  out[#out + 1] = list[2]
  out[#out + 1] = list[3]
  out[#out + 1] = table.concat(list[4])
end
return {step[1], mended, odd, attempting, out, oldest}
