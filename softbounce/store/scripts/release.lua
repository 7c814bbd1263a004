#!lua flags=allow-oom
-- release: moves due envelopes to their ready lists (scheduled -> ready), each only if it is as the caller saw it.
--
-- KEYS   1 e       hash    envelope id -> record
--        2 due     zset    envelope id by next attempt
--        3 lanes   set     names of ready lists that may have work
--        4 ..      list    the ready lists
-- ARGV   1 number of lists l   then per list: its name, its lane   then per envelope: id, version, number of its list
-- Reply  how many were moved. Entries of `due` without a scheduled envelope behind them are dropped.
-- Cost   O(envelopes), one RPUSH a list
local lists = tonumber(ARGV[1])
local base = 1 + 2 * lists
local count = (#ARGV - base) / 3
local ids = {}
for i = 1, count do ids[i] = ARGV[base + 3 * i - 2] end
if count == 0 then return 0 end
local records = redis.call('HMGET', KEYS[1], unpack(ids))
local pushes, writes, gone, moved = {}, {}, {}, 0
for i = 1, lists do pushes[i] = {} end
for i = 1, count do
  local record = records[i]
  if not is_whole(record) or string.byte(record, 2) ~= 1 then
    gone[#gone + 1] = ids[i]
  else
    local version = struct.unpack('>I4', record, 5)
    if version == tonumber(ARGV[base + 3 * i - 1]) then
      local list = tonumber(ARGV[base + 3 * i])
      local lane = ARGV[1 + 2 * list]
      local old = struct.unpack('>I2', record, 45)
      writes[#writes + 1] = ids[i]
      writes[#writes + 1] = string.sub(record, 1, 1) .. '\2' .. string.sub(record, 3, 4)
        .. struct.pack('>I4', (version + 1) % 4294967296) .. string.sub(record, 9, 44)
        .. struct.pack('>I2', #lane) .. lane .. string.sub(record, 47 + old)
      gone[#gone + 1] = ids[i]
      local push = pushes[list]
      push[#push + 1] = ids[i]
      moved = moved + 1
    end
  end
end
if #writes > 0 then redis.call('HSET', KEYS[1], unpack(writes)) end
if #gone > 0 then redis.call('ZREM', KEYS[2], unpack(gone)) end
local named = {}
for i = 1, lists do
  if #pushes[i] > 0 then
    cleared(KEYS[3 + i], 'list')
    redis.call('RPUSH', KEYS[3 + i], unpack(pushes[i]))
    named[#named + 1] = ARGV[2 * i]
  end
end
if #named > 0 then redis.call('SADD', KEYS[3], unpack(named)) end
return moved
