#!lua flags=allow-oom
-- lapse: in one shard, forbids a process to claim and lists what it holds.
--
-- KEYS   1 live              set    processes that may claim
--        2 claims:{process}  hash   envelope id -> token
--        3 e                 hash   envelope id -> record
-- ARGV   1 process   2 at most so many   3 "list" only lists: the process may go on
-- Reply  {now ms, claims in all, id, record, id, record ...}; a missing record is ''
if ARGV[3] ~= 'list' then redis.call('SREM', KEYS[1], ARGV[1]) end
local time = redis.call('TIME')
local out = {time[1] * 1000 + math.floor(time[2] / 1000), redis.call('HLEN', KEYS[2])}
local all = redis.call('HSCAN', KEYS[2], 0, 'COUNT', ARGV[2])[2]
for i = 1, #all, 2 do
  local record = redis.call('HGET', KEYS[3], all[i])
  if not record or string.byte(record, 2) ~= 3 or string.sub(record, 9, 16) ~= all[i + 1] then
    redis.call('HDEL', KEYS[2], all[i])
  else
    out[#out + 1] = all[i]
    out[#out + 1] = record
  end
end
return out
