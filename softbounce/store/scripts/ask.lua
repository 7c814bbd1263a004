#!lua flags=allow-oom
-- ask: sets flags on envelopes that are being attempted (cancel asked, hold asked), or takes them back; their worker
-- obeys when it can.
--
-- KEYS   1 e   hash   envelope id -> record
-- ARGV   1 flag: 1 cancel, 2 hold, -2 hold no more, 0 none   then per envelope: id, version as the caller saw it, the record with more that is asked ("": no more)
-- Reply  per envelope: 1 asked, 2 stale, 3 gone
local asked = tonumber(ARGV[1])
local flag = math.abs(asked)
local out = {}
for i = 2, #ARGV, 3 do
  local record = redis.call('HGET', KEYS[1], ARGV[i])
  if not record then
    out[#out + 1] = 3
  elseif string.byte(record, 2) ~= 3 or struct.unpack('>I4', record, 5) ~= tonumber(ARGV[i + 1]) then
    out[#out + 1] = 2
  else
    local flags = string.byte(record, 3)
    local is_new = flag > 0 and (math.floor(flags / flag) % 2 == 0) == (asked > 0)
    if is_new then flags = flags + asked end
    if ARGV[i + 2] ~= '' then
      is_new = true
      record = string.sub(record, 1, 16) .. string.sub(ARGV[i + 2], 17)
    end
    if is_new then
      redis.call('HSET', KEYS[1], ARGV[i], string.sub(record, 1, 2) .. string.char(flags)
        .. string.sub(record, 4, 4) .. struct.pack('>I4', (tonumber(ARGV[i + 1]) + 1) % 4294967296) .. string.sub(record, 9))
    end
    out[#out + 1] = 1
  end
end
return out
