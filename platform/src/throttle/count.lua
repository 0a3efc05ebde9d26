-- Counts an attempt, or tells how long the door is closed.
-- KEYS: the name's. ARGV: the time in ms (0: this server's), free attempts, first and longest pause in ms,
-- ms after which all is forgotten.
-- Answers: the wait in ms (0: it was counted), attempts, closed until, forgotten at.
local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local free, pause, longest, forget =
  tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local v = redis.call('HMGET', KEYS[1], 'n', 'c', 'u')
local attempts, closed, forgotten = tonumber(v[1] or 0), tonumber(v[2] or 0), tonumber(v[3] or 0)
if now >= forgotten then
  attempts, closed, forgotten = 0, 0, 0
end
if closed > now then
  return { closed - now, attempts, closed, forgotten }
end
attempts = attempts + 1
closed = now
if attempts > free then
  closed = now + math.min(longest, pause * 2 ^ math.min(20, attempts - free - 1))
end
forgotten = closed + forget
redis.call('HSET', KEYS[1], 'n', attempts, 'c', closed, 'u', forgotten)
redis.call('PEXPIRE', KEYS[1], forgotten - now)
return { 0, attempts, closed, forgotten }
