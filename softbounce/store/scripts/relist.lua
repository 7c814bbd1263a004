#!lua flags=allow-oom
-- relist: puts ready envelopes that their ready list lacks back into it.
--
-- KEYS   1 e       hash   envelope id -> record
--        2 lanes   set    names of ready lists that may have work
--        3 the ready list
-- ARGV   1 its name   2 its lane   then per envelope: id, version (4)
-- Reply  how many
-- Rules  Only what is as the caller saw it: ready, in that lane, of that version. An entry twice would do no harm.
-- Cost   O(envelopes)
cleared(KEYS[3], 'list')
local done = 0
for i = 3, #ARGV, 2 do
  local record = redis.call('HGET', KEYS[1], ARGV[i])
  if is_whole(record) and string.byte(record, 2) == 2 and string.sub(record, 5, 8) == ARGV[i + 1]
      and string.sub(record, 47, 46 + struct.unpack('>I2', record, 45)) == ARGV[2] then
    redis.call('RPUSH', KEYS[3], ARGV[i])
    done = done + 1
  end
end
if done > 0 then redis.call('SADD', KEYS[2], ARGV[1]) end
return done
