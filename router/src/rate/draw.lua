-- Draws one request from every bucket, or from none if one of them is empty.
-- KEYS: one per bucket.
-- ARGV: the time in ms (0: this server's), then per bucket per_second, burst, per_minute, per_hour.
-- Answers: 1 or 0, the time in ms, then per bucket its thousandths of tokens, and for the minute and the
-- hour the requests of this window and of the one before.
local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local MINUTE, HOUR = 60000, 3600000

local function window(length, index, count, before)
  local current = math.floor(now / length)
  index = tonumber(index)
  if index == current then return current, tonumber(count), tonumber(before) end
  if index == current - 1 then return current, 0, tonumber(count) end
  return current, 0, 0
end

-- The window before counts by the part of it that lies within the last `length`.
local function fits(limit, length, count, before)
  return limit == 0 or before * (length - now % length) + (count + 1) * length <= limit * length
end

local states, admitted = {}, 1
for i, key in ipairs(KEYS) do
  local at = 2 + (i - 1) * 4
  local rate, burst = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local minute, hour = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local v = redis.call('HMGET', key, 't', 'a', 'mi', 'mc', 'mb', 'hi', 'hc', 'hb')
  local tokens = burst * 1000
  if v[1] then
    tokens = math.min(tokens, tonumber(v[1]) + math.max(0, now - tonumber(v[2])) * rate)
  end
  local s = { tokens = tokens }
  s.mi, s.mc, s.mb = window(MINUTE, v[3], v[4], v[5])
  s.hi, s.hc, s.hb = window(HOUR, v[6], v[7], v[8])
  if (rate > 0 and tokens < 1000) or not fits(minute, MINUTE, s.mc, s.mb)
      or not fits(hour, HOUR, s.hc, s.hb) then
    admitted = 0
  end
  states[i] = s
end

local answer = { admitted, now }
for i, key in ipairs(KEYS) do
  local s = states[i]
  if admitted == 1 then
    s.tokens, s.mc, s.hc = math.max(0, s.tokens - 1000), s.mc + 1, s.hc + 1
    redis.call('HSET', key, 't', s.tokens, 'a', now, 'mi', s.mi, 'mc', s.mc, 'mb', s.mb,
      'hi', s.hi, 'hc', s.hc, 'hb', s.hb)
    redis.call('PEXPIRE', key, 2 * HOUR)
  end
  for _, value in ipairs({ s.tokens, s.mc, s.mb, s.hc, s.hb }) do
    answer[#answer + 1] = value
  end
end
return answer
