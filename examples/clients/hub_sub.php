<?php // php hub_sub.php HOST PORT CHANNEL [FROM]      prints each message of a hub's channel as it comes
ini_set('display_errors', 'stderr');
ini_set('default_socket_timeout', -1);            // a channel may be quiet for long

function fail(string $words): never { fwrite(STDERR, "$words\n"); exit(1); }

function frame($hub): ?string {
    $header = stream_get_contents($hub, 10);
    if ($header === '') return null;              // the end, between two frames
    if (!preg_match('/\A(0|[1-9][0-9]*) *\z/', $header)) fail("not a length: $header");
    $message = stream_get_contents($hub, (int) $header);
    if (strlen($header) < 10 || strlen($message) < (int) $header) fail('the stream ended inside a frame');
    return $message;
}

[, $host, $port, $channel] = $argv;
$hub = stream_socket_client("tcp://$host:$port") or exit(1);
$request = "SUBSCRIBE $channel" . (isset($argv[4]) ? " from=$argv[4]" : '');
fprintf($hub, '%-10d%s', strlen($request), $request);
$answer = frame($hub) ?? '';
str_starts_with($answer, 'OK ') or fail("not subscribed: $answer");
while (($message = frame($hub)) !== null) fwrite(STDOUT, "$message\n");
