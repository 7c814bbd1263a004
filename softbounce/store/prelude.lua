-- Stands before every script, behind its first line: the store's time, which none of them works out by itself.
--
-- store_time  Takes the key of a hash: correction, what is added to the server's clock, ms; seen, a recent time that was
--             believed, ms; by, whose steady clock said so. Answers now, ms; and {now, correction, seen, by}, for
--             whoever watches the clock.
-- dated       What happens now is of now; but just after a clock was set back and before it is corrected it is as young
--             as `seen` says, or it would be old at once.
local function store_time(clock)
  local time, known = redis.call('TIME'), redis.call('HMGET', clock, 'correction', 'seen', 'by')
  local correction = tonumber(known[1] or 0)
  local now = time[1] * 1000 + math.floor(time[2] / 1000) + correction
  return now, {now, correction, tonumber(known[2] or 0), known[3] or ''}
end
local function dated(time) return time[1] < time[3] - 50000 and time[3] or time[1] end
