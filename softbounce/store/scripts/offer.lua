#!lua flags=allow-oom
-- offer: offers lanes to processes directly, because no job could be sent for them, and forgets those jobs.
--
-- KEYS   1 hint   hash   lane -> when a job was sent, ms
--        2 ..     channels to:{process}
-- ARGV   1 number of lanes n   then n lanes   then per channel its text
-- Reply  how many processes heard it
local count = tonumber(ARGV[1])
for i = 1, count do redis.call('HDEL', KEYS[1], ARGV[1 + i]) end
local heard = 0
for i = 2, #KEYS do heard = heard + wake_up(KEYS[i], ARGV[count + i]) end
return heard
