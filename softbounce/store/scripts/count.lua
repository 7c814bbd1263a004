#!lua flags=allow-oom,no-writes
-- count: one bounded step of a walk over all records: sums them up by state, lane and stream.
--
-- KEYS   1 e   hash   envelope id -> record
-- ARGV   1 cursor   2 about so many
-- Reply  {cursor ("0": the walk is over), {state|lane|stream, number, oldest created ms, ...}}; of what is no record the
--        state is 0
local step = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local number, oldest, out = {}, {}, {}
for i = 2, #step[2], 2 do
  local record = step[2][i]
  local name, created = '0||', 0
  if is_whole(record) then
    local lane = struct.unpack('>I2', record, 45)
    local stream = string.byte(record, 47 + lane)
    name = string.byte(record, 2) .. '|' .. string.sub(record, 47, 46 + lane) .. '|' .. string.sub(record, 48 + lane, 47 + lane + stream)
    created = struct.unpack('>I8', record, 21)
  end
  number[name] = (number[name] or 0) + 1
  if not oldest[name] or created < oldest[name] then oldest[name] = created end
end
for name, n in pairs(number) do
  out[#out + 1] = name
  out[#out + 1] = n
  out[#out + 1] = oldest[name]
end
return {step[1], out}
