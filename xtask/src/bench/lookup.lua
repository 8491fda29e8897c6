-- Lookups for wrk: the numbers in turn, and a call id that no other request has.
-- Arguments after `--`: file of numbers, name of the run, key.

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
  prefix = '","toNumber":"+15550190000","callId":"' .. words[2] .. "-" .. which .. "-"
  wrk.method = "POST"
  wrk.path = "/api/v1/genesys/lookup"
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["X-API-Key"] = words[3]
  -- Threads begin at different numbers, so that they do not ask in step.
  asked = which * 7919
  count = #numbers
end

function request()
  asked = asked + 1
  local body = '{"fromNumber":"' .. numbers[asked % count + 1] .. prefix .. asked .. '","type":"inbound"}'
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
