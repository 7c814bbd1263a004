#!lua flags=allow-oom
-- claim: gives a live process the heads of its lanes' ready lists under one token (ready -> attempting).
-- The same claim repeated first returns what its token already took.
--
-- KEYS   1 live              set    processes that may claim
--        2 e                 hash   envelope id -> record
--        3 claims:{process}  hash   envelope id -> token
--        4 lanes             set    names of ready lists that may have work
--        5 ..                list   the ready lists
-- ARGV   1 process   2 token (8)   3 "1" when this repeats an uncertain claim   then per list: its name, its lane, at most so many
-- Reply  {1 or 0: whether the process is live, {entries left, per list}, {number of the list, id, record, ...}}
-- Cost   O(claimed + stale entries met: four times the asked at most)
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 then return {0, {}, {}} end
local out, taken = {}, {}
cleared(KEYS[3], 'hash')
if ARGV[3] == '1' then
  local all = redis.call('HGETALL', KEYS[3])
  for i = 1, #all, 2 do
    if all[i + 1] == ARGV[2] then
      local record = redis.call('HGET', KEYS[2], all[i])
      if is_whole(record) and string.byte(record, 2) == 3 and string.sub(record, 9, 16) == ARGV[2] then
        out[#out + 1] = 0
        out[#out + 1] = all[i]
        out[#out + 1] = record
      end
    end
  end
  if #out > 0 then return {1, {}, out} end
end
local left = {}
for list = 1, #KEYS - 4 do
  local key = KEYS[4 + list]
  local want = tonumber(ARGV[3 * list + 3])
  local lane = ARGV[3 * list + 2]
  local looks = 4 * want
  cleared(key, 'list')
  while want > 0 and looks > 0 do
    -- At most 500 at a time: what is popped is written before the next pop, and a variadic command fits Lua's stack.
    local ids = redis.call('LPOP', key, math.min(want, looks, 500))
    if not ids then break end
    looks = looks - #ids
    local records = redis.call('HMGET', KEYS[2], unpack(ids))
    local writes, claims = {}, {}
    for i = 1, #ids do
      local record = records[i]
      if is_whole(record) and string.byte(record, 2) == 2 and not taken[ids[i]] then
        local length = struct.unpack('>I2', record, 45)
        if string.sub(record, 47, 46 + length) == lane then
          local version = struct.unpack('>I4', record, 5)
          local new = string.sub(record, 1, 1) .. '\3' .. string.sub(record, 3, 3)
            .. string.char(math.min(255, string.byte(record, 4) + 1))
            .. struct.pack('>I4', (version + 1) % 4294967296) .. ARGV[2] .. string.sub(record, 17)
          writes[#writes + 1] = ids[i]
          writes[#writes + 1] = new
          claims[#claims + 1] = ids[i]
          claims[#claims + 1] = ARGV[2]
          taken[ids[i]] = true
          out[#out + 1] = list
          out[#out + 1] = ids[i]
          out[#out + 1] = new
          want = want - 1
        end
      end
    end
    if #writes > 0 then
      redis.call('HSET', KEYS[2], unpack(writes))
      redis.call('HSET', KEYS[3], unpack(claims))
    end
  end
  left[list] = redis.call('LLEN', key)
  if left[list] == 0 then redis.call('SREM', KEYS[4], ARGV[3 * list + 1]) end
end
return {1, left, out}
