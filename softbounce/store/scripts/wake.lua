#!lua flags=allow-oom
-- wake: for lanes that got work: wakes the owner where a live process has the lane; says which lanes need a job.
-- What it would have told the owner of such a lane is kept for whoever takes it.
--
-- KEYS   1 owner   hash   lane -> process
--        2 live    set    processes that may claim (home shard)
--        3 hint    hash   lane -> when a job was sent, ms
--        4 told    hash   lane -> when it was last told of something, ms, and what: a line each
--        5 ..      channels to:{process}, one for each process that may be an owner
-- ARGV   1 now ms   2 a hint older than so many ms is repeated   3 number of processes p   then p process names
--        then per lane: lane, text of the wake-up
-- Reply  {lane that needs a job, ...}
local TOLD_OCTETS, TOLD_AGAIN = 8192, 120000
local function tell(lane, now, text)
  local told = redis.call('HGET', KEYS[4], lane) or ''
  local at, lines = string.match(told, '^(%d+)(\n.*)$')
  at, lines = tonumber(at or ''), lines or ''
  local known = #lines
  for line in string.gmatch(text, '[^\n]+') do
    if #lines < TOLD_OCTETS and not string.find(lines .. '\n', '\n' .. line .. '\n', 1, true) then
      lines = lines .. '\n' .. line
    end
  end
  if #lines > known or not at or math.abs(now - at) > TOLD_AGAIN then
    redis.call('HSET', KEYS[4], lane, string.format('%.0f', now) .. lines)
  end
end
local now, age, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local channel = {}
for i = 1, count do channel[ARGV[3 + i]] = KEYS[4 + i] end
local texts, need = {}, {}
for i = 4 + count, #ARGV, 2 do
  local lane = ARGV[i]
  local owner = redis.call('HGET', KEYS[1], lane)
  if owner and channel[owner] and redis.call('SISMEMBER', KEYS[2], owner) == 1 then
    texts[owner] = texts[owner] or {}
    table.insert(texts[owner], ARGV[i + 1])
  else
    tell(lane, now, ARGV[i + 1])
    local sent = tonumber(redis.call('HGET', KEYS[3], lane) or '')
    if not sent or math.abs(now - sent) > age then
      redis.call('HSET', KEYS[3], lane, now)
      need[#need + 1] = lane
    end
  end
end
for owner, lines in pairs(texts) do wake_up(channel[owner], table.concat(lines, '\n')) end
return need
