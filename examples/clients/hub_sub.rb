# ruby hub_sub.rb HOST PORT CHANNEL [FROM]      prints each message of a hub's channel as it comes
require "socket"

def frame(hub)
  header = hub.read(10) or return                 # the end, between two frames
  abort "not a length: #{header.inspect}" unless header.match?(/\A(0|[1-9][0-9]*) *\z/)
  message = hub.read(header.to_i).to_s
  abort "the stream ended inside a frame" if header.size < 10 || message.bytesize < header.to_i
  message
end

host, port, channel, from = ARGV
hub = TCPSocket.new(host, port)
request = "SUBSCRIBE #{channel}#{" from=#{from}" if from}"
hub.write(format("%-10d%s", request.bytesize, request))
answer = frame(hub).to_s
abort "not subscribed: #{answer}" unless answer.start_with?("OK ")
$stdout.sync = true
while (message = frame(hub))
  $stdout.write(message, "\n")
end
