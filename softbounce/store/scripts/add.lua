#!lua flags=allow-oom
-- add: adds to the counts of a hash.
--
-- KEYS   1 a hash
-- ARGV   per count: name, number
-- Reply  how many
local sums = {}
for i = 1, #ARGV, 2 do sums[ARGV[i]] = tonumber(ARGV[i + 1]) end
count_up(KEYS[1], sums)
return #ARGV / 2
