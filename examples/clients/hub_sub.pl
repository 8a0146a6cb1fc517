#!/usr/bin/perl
# perl hub_sub.pl HOST PORT CHANNEL [FROM]      prints each message of a hub's channel as it comes
use strict;
use warnings;
use IO::Socket::IP;

my ($host, $port, $channel, $from) = @ARGV;
my $hub = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port) or die "$host:$port: $@\n";
my $request = "SUBSCRIBE $channel" . (defined $from ? " from=$from" : "");
printf $hub "%-10d%s", length $request, $request;
$hub->flush;

sub frame {
    my $got = read($hub, my $header, 10) // die "$!\n";
    return if $got == 0;                          # the end, between two frames
    my ($length) = $header =~ /\A(0|[1-9][0-9]*) *\z/ or die "not a length: $header\n";
    my $there = read($hub, my $message, $length) // die "$!\n";
    die "the stream ended inside a frame\n" if $got < 10 || $there < $length;
    return $message;
}

my $answer = frame() // "";
die "not subscribed: $answer\n" unless $answer =~ /^OK /;
$| = 1;
while (defined(my $message = frame())) { print $message, "\n" }
