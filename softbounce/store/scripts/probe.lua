#!lua
-- probe: does nothing. Like accept it has no allow-oom, so that a full store refuses it: that is the answer.
--
-- KEYS   1 any key of the shard
-- Reply  1: new mail would be taken
return 1
