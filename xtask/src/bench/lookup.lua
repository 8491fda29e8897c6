-- Lookups for wrk: the numbers in turn, and a call id that no other request has.
-- Arguments after `--`: file of numbers, name of the run, key; and a number that was dialled, where
-- it is decisions that are asked for.

local threads = 0

function setup(thread)
  thread:set("which", threads)
  threads = threads + 1
end

function init(words)
  numbers = {}
  for line in io.lines(words[1]) do
    numbers[#numbers + 1] = line
  end
  local call = '","callId":"' .. words[2] .. "-" .. which .. "-"
  first, middle, last = '{"fromNumber":"', '","toNumber":"+15550190000' .. call, '","type":"inbound"}'
  wrk.method = "POST"
  wrk.path = "/api/v1/genesys/lookup"
  if words[4] then
    first, middle, last = '{"ani":"', '","did":"' .. words[4] .. call, '"}'
    wrk.path = "/api/v1/routing/decide"
  end
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["X-API-Key"] = words[3]
  -- Threads begin at different numbers, so that they do not ask in step.
  asked = which * 7919
  count = #numbers
end

function request()
  asked = asked + 1
  local body = first .. numbers[asked % count + 1] .. middle .. asked .. last
  return wrk.format(nil, nil, nil, body)
end

function done(summary, latency, requests)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    '{"answered":%d,"perSecond":%.1f,"p50":%.3f,"p99":%.3f,"max":%.3f,"refused":%d,"lost":%d}\n',
    summary.requests, summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000,
    errors.status, broken))
end
