#!lua flags=allow-oom
-- learn: notes which lane a domain's mail goes to, so that the scheduler can release it straight there.
--
-- KEYS   1 site   hash   domain -> when learnt, lane, shown name (msgpack)
-- ARGV   per domain: domain, entry ("" forgets it)
-- Reply  how many
for i = 1, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[1], ARGV[i])
  else redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
return #ARGV / 2
