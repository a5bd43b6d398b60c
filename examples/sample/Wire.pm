package Wire;

# What the sample's server and clients share: addresses, and a connection to a peer
# that starts at the same instant and so may not be listening yet.
use strict;
use warnings;
use IO::Socket::IP;
use Time::HiRes qw(sleep time);

sub split_address {
    my ($address) = @_;
    my ($host, $port) = $address =~ /^\[?(.*?)\]?:(\d+)$/ or die "$address is not ADDRESS:PORT\n";
    return ($host, $port);
}

# connect_to tries for so many seconds, or until the flag is set.
sub connect_to {
    my ($address, $seconds, $stopped) = @_;
    my ($host, $port) = split_address($address);
    my $end = time + $seconds;
    while (time < $end && !$$stopped) {
        my $socket = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Timeout => 2);
        return $socket if $socket;
        sleep 0.02;
    }
    exit 0 if $$stopped;
    die "no answer from $address within $seconds s\n";
}

1;
