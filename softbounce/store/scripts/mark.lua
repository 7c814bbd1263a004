#!lua flags=allow-oom
-- mark: sets and clears flags of claimed envelopes before something happens that a crash must not hide: that its final
-- dot is about to leave (4), or that a suspect is tried (64), or is so alone (32). Says whose claim no longer stands.
--
-- KEYS   1 live   set    processes that may claim
--        2 e      hash   envelope id -> record
-- ARGV   1 process   2 flags to set   3 flags to clear   then per envelope: id, claim token
-- Reply  per envelope: 1 go on, 2 cancelled meanwhile, 3 claimed anew or otherwise no longer this token's, 0 the process is not live
-- Cost   O(envelopes); repeated it marks the same again
local alive = redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1
local set, kept = tonumber(ARGV[2]), bit.bnot(tonumber(ARGV[3]))
local count = (#ARGV - 3) / 2
local ids, out, writes = {}, {}, {}
for i = 1, count do ids[i] = ARGV[2 * i + 2] end
local records = redis.call('HMGET', KEYS[2], unpack(ids))
for i = 1, count do
  local record = records[i]
  if not alive then
    out[i] = 0
  elseif not is_whole(record) or string.byte(record, 2) ~= 3 or string.sub(record, 9, 16) ~= ARGV[2 * i + 3] then
    out[i] = 3
  else
    local flags = string.byte(record, 3)
    if flags % 2 == 1 then
      out[i] = 2
    else
      out[i] = 1
      local new = bit.bor(bit.band(flags, kept), set)
      if new ~= flags then
        writes[#writes + 1] = ids[i]
        writes[#writes + 1] = string.sub(record, 1, 2) .. string.char(new)
          .. string.sub(record, 4, 4) .. struct.pack('>I4', (struct.unpack('>I4', record, 5) + 1) % 4294967296)
          .. string.sub(record, 9)
      end
    end
  end
end
if #writes > 0 then redis.call('HSET', KEYS[2], unpack(writes)) end
return out
