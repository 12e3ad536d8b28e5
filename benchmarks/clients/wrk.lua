-- What wrk sends and what it prints. Arguments after `--`: plain | cookie COOKIE | upload BYTES | post BODY

local mark = "000000000000"

function init(args)
   local kind = args[1]
   if kind == "upload" then
      wrk.method = "POST"
      wrk.body = string.rep("x", tonumber(args[2]))
   elseif kind == "post" then
      wrk.method = "POST"
      wrk.body = args[2]
   elseif kind == "cookie" then
      -- Another cookie for each request, as long as the last, so that no server can profit from meeting the same head again.
      wrk.headers["Cookie"] = args[2] .. mark
      local whole = wrk.format()
      local at = whole:find(mark, 1, true)
      local before, after = whole:sub(1, at - 1), whole:sub(at + #mark)
      local number = 100000000000
      request = function()
         number = number + 1
         return before .. number .. after
      end
   end
end

function done(summary, latency, requests)
   local errors = summary.errors
   print(string.format(
      'RESULT {"requests": %d, "microseconds": %d, "p99_microseconds": %d, "connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}',
      summary.requests, summary.duration, latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.status, errors.timeout
   ))
end
