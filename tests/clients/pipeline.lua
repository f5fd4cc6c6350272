-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- For wrk: as many GET in one write as the first argument says. Prints what went wrong, in numbers.
function init(args)
	local all = {}
	for i = 1, tonumber(args[1]) do
		all[i] = wrk.format("GET", args[2])
	end
	burst = table.concat(all)
end

function request()
	return burst
end

function done(summary)
	local e = summary.errors
	io.write(string.format("requests=%d\nwrong=%d\n", summary.requests,
		e.connect + e.read + e.write + e.status + e.timeout))
end
