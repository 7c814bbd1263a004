#!lua flags=allow-oom
-- publish: replaces the settings if nobody else did meanwhile, and says so to all.
--
-- KEYS   1 settings   string   four octets of version, then msgpack
--        2 news       channel
-- ARGV   1 version as the caller saw it (0: none)   2 new settings, with their version in front
-- Reply  1 published, 0 another publication came first
local current = redis.call('GET', KEYS[1])
local version = current and struct.unpack('>I4', current) or 0
if version ~= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
wake_up(KEYS[2], 'settings')
return 1
