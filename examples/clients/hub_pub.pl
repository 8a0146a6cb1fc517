#!/usr/bin/perl
# perl hub_pub.pl HOST PORT CHANNEL      publishes each line of its input to a hub, and ends when all is stored
use strict;
use warnings;
use IO::Socket::IP;

sub frame { sprintf "%-10d%s", length $_[0], $_[0] }

my ($host, $port, $channel) = @ARGV;
my $hub = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port) or die "$host:$port: $@\n";
print $hub frame("PUBLISH $channel acks=none");   # one acknowledgement, at the end
my $count = 0;
for (; defined(my $line = <STDIN>); $count++) { chomp $line; print $hub frame($line) }
$hub->flush;
$hub->shutdown(1);                                # what the hub says is still read
my $answers = join "", <$hub>;
my $last = frame("ACK $count");
die "not all was stored: $answers\n" unless $answers =~ /\Q$last\E\z/;
