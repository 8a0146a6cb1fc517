-- lua hub_pub.lua HOST PORT CHANNEL      publishes each line of its input to a hub, and ends when all is stored (with LuaSocket)
local host, port, channel = table.unpack(arg)
local hub = assert(require("socket").connect(host, port))

local function frame(message) return string.format("%-10d", #message) .. message end

hub:send(frame("PUBLISH " .. channel .. " acks=none"))  -- one acknowledgement, at the end
local count = 0
for line in io.lines() do
  hub:send(frame(line))
  count = count + 1
end
hub:shutdown("send")                                    -- what the hub says is still read
local answers, why, part = hub:receive("*a")
local last = frame("ACK " .. count)
if (answers or part):sub(-#last) ~= last then
  io.stderr:write("not all was stored: ", answers or part, "\n")
  os.exit(1)
end
