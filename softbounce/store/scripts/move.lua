#!lua flags=allow-oom
-- move: the compare-and-move that every other change of an envelope is. Commit, give back, sweep, expire and operate are moves.
--
-- KEYS   1 e        hash    envelope id -> record
--        2 due      zset    3 exp  zset    4 held  zset    5 done  zset
--        6 m        hash    message id -> live envelopes
--        7 totals   hash    done_octets; events: how many there ever were; kept_octets, keep_until: see unkeep
--        8 events   stream  field b: a msgpack array of events; n: the number of the last of them
--        9 claims:{process} hash   of the process whose claims these were; any name when none were
--       10 lanes    set
--       11 wake     channel
--       12 clock    hash    the store's time, see the prelude
--       13 counted  hash    message id -> envelopes (2), when they were reserved, ms (8), rooms (16 each): under quotas that count
--       14 waiting  hash    room -> unfinished envelopes
--       15 kept     zset    message id -> when an envelope of it last ended undelivered, ms: its body is kept for a while
--       16 kept_octets  hash  message id -> octets of that body
--       17 metrics  hash    counters, see softbounce/counting.py; finished|STATE: ended envelopes that are there; finished|since: those that ended since then, ms
--       18 ..       ready lists, lines and bodies, numbered by the items
-- ARGV   1 events kept   2 number of envelopes n
--        then per envelope: id, guard, new record, score in exp (ms, "" keeps it), list ("", number:name, or number: of the line of one that is scheduled), body (0 or number),
--        events (their number as one octet, and each in msgpack; or ""), what it adds to counters (number of a name (2), how much (8), ...)
--        then the names of these counters
--        guard: "v" and the version as four octets: as the caller saw it; "t" and the claim token: still the caller's claim,
--        and behind it the version as four octets, where the caller has read all that was asked by then
-- Reply  {now ms, result per envelope}: 1 moved, 2 stale (another change came first), 3 gone (no record),
--        4 asked: something was asked meanwhile and the new record does not know it
-- Rules  A token guard matches only an envelope that is attempting; where it does not match, the claim is dropped from
--        the process's list. Only a late 250 leads out of an end: by version guard, from bounced or cancelled to
--        delivered. No move makes an envelope attempting: a claim does. Held obeys an asked hold. Version grows by one.
--        A next attempt at 1 of one that is attempting is news, which only who read that version knows. One that is
--        ready, and stays so in its lane, keeps its place in its list.
--        A body goes with the last live envelope of its message, unless one of them ended undelivered and a scheduler is
--        there that frees what is kept.
-- Cost   O(envelopes), a few variadic commands a call
local HELD, DELIVERED, FINAL = 4, 5, 5
local CHUNK = 262144 -- octets of a chunk, at most
local FINISHED = {[5] = 'finished|delivered', [6] = 'finished|bounced', [7] = 'finished|cancelled'}
local LINE_KEPT = 2 * 86400000 -- ms; by then what stands in a line has come by its own time
local now, time = store_time(KEYS[12])
local ended = dated(time)
local count = tonumber(ARGV[2])
local ids, result = {}, {}
for i = 1, count do ids[i] = ARGV[8 * i - 5] end
if count == 0 then return {now} end
local records = redis.call('HMGET', KEYS[1], unpack(ids))
local writes, events = {}, {}
local undue, unclaim, unheld, unexp = {}, {}, {}, {}
local due, exp, held, done = {}, {}, {}, {}
local pushes, names, lines = {}, {}, {}
local octets, soonest, told = 0, nil, 0
local seen = {}
local sums = {}
local counts = redis.call('TYPE', KEYS[13]).ok == 'hash'
if counts then cleared(KEYS[14], 'hash') end

local function add(name, more) sums[name] = (sums[name] or 0) + more end

-- One that had ended ends otherwise: it is not there as that any more, if it was counted so.
local function unfinish(id, state)
  local at = tonumber(redis.call('ZSCORE', KEYS[5], id) or '')
  local since = redis.pcall('HGET', KEYS[17], 'finished|since')
  if at and FINISHED[state] and type(since) == 'string' and at >= (tonumber(since) or math.huge) then add(FINISHED[state], -1) end
end

local function lane_of(record) return string.sub(record, 47, 46 + struct.unpack('>I2', record, 45)) end

-- One envelope of a message is finished: it is counted no more.
local function uncount(message)
  local value = redis.call('HGET', KEYS[13], message)
  if not value or #value < 10 then return end
  local n = struct.unpack('>I2', value) - 1
  if n <= 0 then redis.call('HDEL', KEYS[13], message)
  else redis.call('HSET', KEYS[13], message, struct.pack('>I2', n) .. string.sub(value, 3)) end
  for at = 11, #value - 15, 16 do
    local room = string.sub(value, at, at + 15)
    if added(KEYS[14], room, -1) <= 0 then redis.call('HDEL', KEYS[14], room) end
  end
end

-- An envelope ends undelivered: the body of its message is kept from now on.
local keeps
local function keep(message, body)
  if keeps == nil then
    keeps = (tonumber(redis.call('HGET', KEYS[7], 'keep_until') or '') or 0) > now
    if keeps then
      cleared(KEYS[15], 'zset')
      cleared(KEYS[16], 'hash')
    end
  end
  if not keeps then return end
  local size = redis.pcall('STRLEN', body)
  if type(size) ~= 'number' then
    local chunks = redis.pcall('LLEN', body)
    size = type(chunks) == 'number' and chunks * CHUNK or 0
  end
  if size > 0 and redis.call('ZADD', KEYS[15], ended, message) == 1 then
    redis.call('HSET', KEYS[16], message, size)
    added(KEYS[7], 'kept_octets', size)
  end
end

local any_kept
local function is_kept(message)
  if any_kept == nil then
    local number = redis.pcall('ZCARD', KEYS[15])
    any_kept = type(number) == 'number' and number > 0
  end
  return any_kept and redis.call('ZSCORE', KEYS[15], message)
end

for i = 1, count do
  local base = 8 * i - 5
  local id, guard, new = ids[i], ARGV[base + 1], ARGV[base + 2]
  local current = records[i]
  local token = string.sub(guard, 1, 1) == 't' and string.sub(guard, 2, 9)
  local claimed = token and current and string.byte(current, 2) == 3 and string.sub(current, 9, 16) == token
  if not current then
    result[i] = 3
  elseif seen[id] or not is_whole(current) then
    result[i] = 2
  else
    local was, flags, version = string.byte(current, 2), string.byte(current, 3), struct.unpack('>I4', current, 5)
    local state, known = string.byte(new, 2), string.byte(new, 3)
    local fits = claimed
    if not token then
      fits = version == struct.unpack('>I4', guard, 2)
        and (was < FINAL or (was ~= DELIVERED and state == DELIVERED))
    end
    local asked = flags % 4
    local heard = not claimed or #guard > 9 and struct.unpack('>I4', guard, 10) == version
    if not fits or state == 3 then
      result[i] = 2
    elseif state < FINAL and ((asked % 2 == 1 and known % 2 == 0)
        or (asked >= 2 and known % 4 < 2 and state ~= HELD)
        or (not heard and struct.unpack('>I8', current, 29) == 1)) then
      result[i] = 4
    else
      result[i] = 1
      seen[id] = true
      writes[#writes + 1] = id
      writes[#writes + 1] = string.sub(new, 1, 4) .. struct.pack('>I4', (version + 1) % 4294967296) .. string.sub(new, 9)
      if was == 1 then undue[#undue + 1] = id
      elseif was == 3 then unclaim[#unclaim + 1] = id
      elseif was == HELD then unheld[#unheld + 1] = id
      elseif was >= FINAL then
        octets = octets - #current
        unfinish(id, was)
      end
      if state >= FINAL then
        done[#done + 1] = ended
        done[#done + 1] = id
        octets = octets + #new
        add(FINISHED[state], 1)
        if was < FINAL then
          unexp[#unexp + 1] = id
          local message = string.sub(id, 1, 14)
          local body = KEYS[17 + tonumber(ARGV[base + 5])]
          if state ~= DELIVERED then keep(message, body) end
          local left = redis.pcall('HINCRBY', KEYS[6], message, -1)
          if type(left) == 'number' and left <= 0 then
            redis.call('HDEL', KEYS[6], message)
            if not is_kept(message) then redis.call('UNLINK', body) end
          end
          if counts then uncount(message) end
        end
      else
        local next_attempt = struct.unpack('>I8', new, 29)
        if state == 1 then
          if next_attempt > 0 then
            due[#due + 1] = next_attempt
            due[#due + 1] = id
            if not soonest or next_attempt < soonest then soonest = next_attempt end
            local line = tonumber(string.match(ARGV[base + 4], '^(%d+):') or '')
            if line then
              lines[line] = lines[line] or {}
              table.insert(lines[line], id .. string.sub(new, 29, 36))
            end
          end
        elseif state == 2 and (was ~= 2 or lane_of(current) ~= lane_of(new)) then
          local number, name = string.match(ARGV[base + 4], '^(%d+):(.*)$')
          local list = tonumber(number)
          pushes[list] = pushes[list] or {}
          names[list] = name
          table.insert(pushes[list], id)
        elseif state == HELD then
          held[#held + 1] = now
          held[#held + 1] = id
        end
        if ARGV[base + 3] ~= '' then
          exp[#exp + 1] = ARGV[base + 3]
          exp[#exp + 1] = id
        end
      end
      if ARGV[base + 6] ~= '' then
        told = told + string.byte(ARGV[base + 6])
        events[#events + 1] = string.sub(ARGV[base + 6], 2)
      end
      for at = 1, #ARGV[base + 7], 10 do
        local name, more = struct.unpack('>I2I8', ARGV[base + 7], at)
        add(ARGV[2 + 8 * count + name], more)
      end
    end
  end
  if token and not claimed and not seen[id] and redis.call('HGET', KEYS[9], id) == token then
    unclaim[#unclaim + 1] = id
  end
end

if #writes > 0 then redis.call('HSET', KEYS[1], unpack(writes)) end
if #undue > 0 then redis.call('ZREM', KEYS[2], unpack(undue)) end
if #unclaim > 0 then redis.call('HDEL', KEYS[9], unpack(unclaim)) end
if #unheld > 0 then redis.call('ZREM', KEYS[4], unpack(unheld)) end
if #unexp > 0 then redis.call('ZREM', KEYS[3], unpack(unexp)) end
if #exp > 0 then redis.call('ZADD', KEYS[3], unpack(exp)) end
if #held > 0 then redis.call('ZADD', KEYS[4], unpack(held)) end
count_up(KEYS[17], sums)
if #done > 0 then
  redis.call('ZADD', KEYS[5], unpack(done))
  redis.call('HSETNX', KEYS[17], 'finished|since', ended)
end
if octets ~= 0 then added(KEYS[7], 'done_octets', octets) end
if #due > 0 then
  local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  redis.call('ZADD', KEYS[2], unpack(due))
  if not first[1] or tonumber(first[2]) > soonest then wake_up(KEYS[11], soonest) end
end
for list, push in pairs(pushes) do
  cleared(KEYS[17 + list], 'list')
  redis.call('RPUSH', KEYS[17 + list], unpack(push))
  redis.call('SADD', KEYS[10], names[list])
end
for line, push in pairs(lines) do
  cleared(KEYS[17 + line], 'list')
  redis.call('RPUSH', KEYS[17 + line], unpack(push))
  redis.call('PEXPIRE', KEYS[17 + line], LINE_KEPT)
end
if #events > 0 then
  redis.call('XADD', KEYS[8], 'MAXLEN', '~', ARGV[1], '*', 'b',
    string.char(220) .. struct.pack('>I2', told) .. table.concat(events),
    'n', added(KEYS[7], 'events', told))
end
table.insert(result, 1, now)
return result
