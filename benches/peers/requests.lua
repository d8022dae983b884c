-- Sends the requests of a file in turn: on each line a path, and behind a blank a token, if there is one.
-- BENCH_SKIP says where to begin, and BENCH_TAKE how many to read at most: building a request takes Lua longer
-- than any proxy takes to answer it, so they are built before.
local requests, next = {}, 0
function init(args)
  local skip, take = tonumber(os.getenv("BENCH_SKIP")) or 0, tonumber(os.getenv("BENCH_TAKE"))
  local at = 0
  for line in io.lines(os.getenv("BENCH_REQUESTS")) do
    at = at + 1
    if at > skip then
      local path, token = line:match("^(%S+) ?(%S*)$")
      local headers = { Host = "bench.local" }
      if token ~= "" then headers.Authorization = "Bearer " .. token end
      requests[#requests + 1] = wrk.format("GET", path, headers)
      if #requests == take then break end
    end
  end
end
function request() next = next % #requests + 1; return requests[next] end
