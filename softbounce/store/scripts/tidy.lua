#!lua flags=allow-oom
-- tidy: drops what is stale from the heads of ready lists, as a claim does: where no worker claims, nobody else would.
--
-- KEYS   1 e       hash   envelope id -> record
--        2 lanes   set    names of ready lists that may have work
--        3 ..      list   the ready lists
-- ARGV   1 at most so many a list   then per list: its name (lane|part|stream)
-- Reply  how many entries were dropped
-- Cost   O(entries dropped + lists)
local dropped = 0
for list = 3, #KEYS do
  local name = ARGV[list - 1]
  local lane = string.match(name, '^(.*)|%d+|[^|]*$')
  local left = tonumber(ARGV[1])
  local head = redis.call('LINDEX', KEYS[list], 0)
  while head and left > 0 do
    local record = redis.call('HGET', KEYS[1], head)
    if record and #record > 47 and string.byte(record, 2) == 2
        and string.sub(record, 47, 46 + struct.unpack('>I2', record, 45)) == lane then break end
    redis.call('LPOP', KEYS[list])
    dropped = dropped + 1
    left = left - 1
    head = redis.call('LINDEX', KEYS[list], 0)
  end
  if not head then redis.call('SREM', KEYS[2], name) end
end
return dropped
