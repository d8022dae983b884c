-- Sends the requests of a file in turn: on each line a path, and behind a blank a token, if there is one.
-- Every thread of every run goes on where BENCH_SKIP says, so that a token is not seen twice.
local requests, next = {}, tonumber(os.getenv("BENCH_SKIP")) or 0
function init(args)
  for line in io.lines(os.getenv("BENCH_REQUESTS")) do
    local path, token = line:match("^(%S+) ?(%S*)$")
    local headers = { Host = "bench.local" }
    if token ~= "" then headers.Authorization = "Bearer " .. token end
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
end
function request() next = next % #requests + 1; return requests[next] end
