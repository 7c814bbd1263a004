#!lua flags=allow-oom
-- rescore: sets when to look at an envelope's expiry next; drops entries without an envelope behind them.
--
-- KEYS   1 exp   zset   envelope id by when to look
-- ARGV   per envelope: id, score ms ("" drops the entry)
-- Reply  how many
for i = 1, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('ZREM', KEYS[1], ARGV[i])
  else redis.call('ZADD', KEYS[1], 'XX', ARGV[i + 1], ARGV[i]) end
end
return #ARGV / 2
