#!lua flags=allow-oom
-- add: adds to the counts of a hash.
--
-- KEYS   1 a hash
-- ARGV   per count: name, number
-- Reply  how many
for i = 1, #ARGV, 2 do added(KEYS[1], ARGV[i], ARGV[i + 1]) end
return #ARGV / 2
