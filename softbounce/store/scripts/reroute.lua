#!lua flags=allow-oom
-- reroute: moves the head of a domain's ready list to the list of its site, which is known by now (ready -> ready).
--
-- KEYS   1 e       hash   envelope id -> record
--        2 lanes   set    names of ready lists that may have work
--        3 the domain's ready list   4.. the site's: one, or one for each part of it
-- ARGV   1 name of the domain's list   2 its lane   3 so many at most (1000)
--        4.. in pairs, as the keys stand: name of the site's list, its lane
-- Reply  how many entries the domain's list has still
-- Rules  Only what is ready, in the domain's lane; any other entry is stale, and dropped. Version grows by one. The
--        part is what the last two octets of the message's id leave, divided by the number of parts.
-- Cost   O(entries + parts)
cleared(KEYS[3], 'list')
local ids = redis.call('LPOP', KEYS[3], ARGV[3])
if ids then
  local parts = #KEYS - 3
  local records = redis.call('HMGET', KEYS[1], unpack(ids))
  local writes, pushes = {}, {}
  for i = 1, #ids do
    local record = records[i]
    if is_whole(record) and string.byte(record, 2) == 2 then
      local behind = 47 + struct.unpack('>I2', record, 45)
      if string.sub(record, 47, behind - 1) == ARGV[2] then
        local part = parts > 1 and struct.unpack('>I2', ids[i], 13) % parts or 0
        local lane = ARGV[5 + 2 * part]
        local version = struct.unpack('>I4', record, 5)
        writes[#writes + 1] = ids[i]
        writes[#writes + 1] = string.sub(record, 1, 4) .. struct.pack('>I4', (version + 1) % 4294967296)
          .. string.sub(record, 9, 44) .. struct.pack('>I2', #lane) .. lane .. string.sub(record, behind)
        pushes[part] = pushes[part] or {}
        pushes[part][#pushes[part] + 1] = ids[i]
      end
    end
  end
  if #writes > 0 then
    redis.call('HSET', KEYS[1], unpack(writes))
  end
  for part, some in pairs(pushes) do
    cleared(KEYS[4 + part], 'list')
    redis.call('RPUSH', KEYS[4 + part], unpack(some))
    redis.call('SADD', KEYS[2], ARGV[4 + 2 * part])
  end
end
local left = redis.call('LLEN', KEYS[3])
if left == 0 then redis.call('SREM', KEYS[2], ARGV[1]) end
return left
