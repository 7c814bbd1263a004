#!lua flags=allow-oom,no-writes
-- count: one bounded step of a walk over all records: sums them up by state, lane and stream.
--
-- KEYS   1 e   hash   envelope id -> record
-- ARGV   1 cursor   2 about so many   3, 4 only those that were created behind the first and until the second, ms
-- Reply  {cursor ("0": the walk is over), {state|lane|stream, number, oldest created ms, ...}}; of what is no record the
--        state is 0
local step = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local after, until_ms = tonumber(ARGV[3]), tonumber(ARGV[4])
local number, oldest, out = {}, {}, {}
for i = 2, #step[2], 2 do
  local record = step[2][i]
  local name, created, fits = '0||', 0, true
  if is_whole(record) then
    created = struct.unpack('>I8', record, 21)
    fits = after < created and created <= until_ms
    local lane = struct.unpack('>I2', record, 45)
    local stream = string.byte(record, 47 + lane)
    name = string.byte(record, 2) .. '|' .. string.sub(record, 47, 46 + lane) .. '|' .. string.sub(record, 48 + lane, 47 + lane + stream)
  end
  if fits then
    number[name] = (number[name] or 0) + 1
    if not oldest[name] or created < oldest[name] then oldest[name] = created end
  end
end
for name, n in pairs(number) do
  out[#out + 1] = name
  out[#out + 1] = n
  out[#out + 1] = oldest[name]
end
return {step[1], out}
