# ruby hub_pub.rb HOST PORT CHANNEL      publishes each line of its input to a hub, and ends when all is stored
require "socket"

def frame(message) = message.bytesize.to_s.ljust(10) + message

host, port, channel = ARGV
hub = TCPSocket.new(host, port)
hub.write(frame("PUBLISH #{channel} acks=none"))  # one acknowledgement, at the end
$stdin.binmode.each_line { |line| hub.write(frame(line.delete_suffix("\n"))) }
hub.close_write                                   # what the hub says is still read
answers = hub.read
abort "not all was stored: #{answers}" unless answers.end_with?(frame("ACK #{$stdin.lineno}"))
