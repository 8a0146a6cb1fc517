<?php // php hub_pub.php HOST PORT CHANNEL      publishes each line of its input to a hub, and ends when all is stored
ini_set('display_errors', 'stderr');

function frame(string $message): string { return sprintf('%-10d%s', strlen($message), $message); }

[, $host, $port, $channel] = $argv;
$hub = stream_socket_client("tcp://$host:$port") or exit(1);
fwrite($hub, frame("PUBLISH $channel acks=none"));   // one acknowledgement, at the end
for ($count = 0; ($line = fgets(STDIN)) !== false; $count++) {
    fwrite($hub, frame(str_ends_with($line, "\n") ? substr($line, 0, -1) : $line));
}
stream_socket_shutdown($hub, STREAM_SHUT_WR);        // what the hub says is still read
$answers = stream_get_contents($hub);
if (str_ends_with($answers, frame("ACK $count"))) exit(0);
fwrite(STDERR, "not all was stored: $answers\n");
exit(1);
