#!lua flags=allow-oom
-- lapse: in one shard, forbids a process to claim and lists what it holds, unmarked envelopes first.
--
-- KEYS   1 live              set    processes that may claim
--        2 claims:{process}  hash   envelope id -> token
--        3 e                 hash   envelope id -> record
--        4 clock             hash   the store's time, see the prelude
-- ARGV   1 process   2 at most so many   3 "list" only lists: the process may go on
-- Reply  {now ms, claims in all, id, record, id, record ...}
-- Rules  Entries whose envelope is no longer claimed under their token are dropped. Unmarked ones come first, because
--        they can be returned at once, while marked ones may have to wait for a journal.
--        Where enough of these were found the rest is counted and not looked at: it comes when these are returned.
-- Cost   O(claims of the process) to list them, O(so many + marked ones) records
if ARGV[3] ~= 'list' then redis.call('SREM', KEYS[1], ARGV[1]) end
local now = store_time(KEYS[4])
local limit = tonumber(ARGV[2])
cleared(KEYS[2], 'hash')
local all = redis.call('HGETALL', KEYS[2])
local unmarked, marked, total = {}, {}, 0
for i = 1, #all, 2 do
  if #unmarked >= 2 * limit then
    total = total + (#all - i + 1) / 2
    break
  end
  local record = redis.call('HGET', KEYS[3], all[i])
  if not is_whole(record) or string.byte(record, 2) ~= 3 or string.sub(record, 9, 16) ~= all[i + 1] then
    redis.call('HDEL', KEYS[2], all[i])
  else
    total = total + 1
    local part = string.byte(record, 3) % 8 < 4 and unmarked or marked
    if #part < 2 * limit then
      part[#part + 1] = all[i]
      part[#part + 1] = record
    end
  end
end
local out = {now, total}
for _, part in ipairs({unmarked, marked}) do
  for i = 1, #part do
    if #out - 2 >= 2 * limit then break end
    out[#out + 1] = part[i]
  end
end
return out
