-- lua hub_sub.lua HOST PORT CHANNEL [FROM]      prints each message of a hub's channel as it comes (with LuaSocket)
local host, port, channel, from = table.unpack(arg)
local hub = assert(require("socket").connect(host, port))
local request = "SUBSCRIBE " .. channel .. (from and " from=" .. from or "")
hub:send(string.format("%-10d%s", #request, request))

local function fail(words) io.stderr:write(words, "\n") os.exit(1) end

local function frame()
  local header, why, part = hub:receive(10)
  if why == "closed" and part == "" then return nil end  -- the end, between two frames
  if not header then fail("the stream ended inside a frame") end
  local length = header:match("^[1-9]%d* *$") or header:match("^0 *$") or fail("not a length: " .. header)
  return hub:receive(tonumber(length)) or fail("the stream ended inside a frame")
end

local answer = frame() or ""
if answer:sub(1, 3) ~= "OK " then fail("not subscribed: " .. answer) end
for message in frame do
  io.write(message, "\n")
  io.flush()
end
