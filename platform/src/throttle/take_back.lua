-- Takes one attempt back, or all of them.
-- KEYS: the name's. ARGV: 1 for all of them. Opens the door: the attempt had closed it if anyone had.
if tonumber(ARGV[1]) == 1 then
  redis.call('DEL', KEYS[1])
  return { 0 }
end
local attempts = tonumber(redis.call('HGET', KEYS[1], 'n') or 0)
if attempts == 0 then
  return { 0 }
end
redis.call('HSET', KEYS[1], 'n', attempts - 1, 'c', 0)
return { attempts - 1 }
