#!/usr/bin/env perl
# A counter on the network: server.pl ADDRESS:PORT [ADDRESS:PORT of a server to follow]
# It answers each line "add" with the new count and "get" with the count. A server that follows
# another one repeats what that one counts. TERM ends it.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use IO::Select;
use IO::Socket::IP;
use Wire;

$| = 1;
$SIG{PIPE} = 'IGNORE';
my $stopped = 0;
$SIG{TERM} = $SIG{INT} = sub { $stopped = 1 };

my ($listen, $follow) = @ARGV;
die "usage: server.pl ADDRESS:PORT [ADDRESS:PORT]\n" unless $listen;
my ($host, $port) = Wire::split_address($listen);
my $door = IO::Socket::IP->new(LocalHost => $host, LocalPort => $port, Listen => 128, ReuseAddr => 1)
    or die "can't listen on $listen: $@\n";
print "listening on $listen\n";

my ($count, $answers, %followers, %rest) = (0, 0);
my $select = IO::Select->new($door);
my $leader;
if ($follow) {
    $leader = Wire::connect_to($follow, 10, \$stopped);
    syswrite $leader, "follow\n";
    $select->add($leader);
    print "following $follow\n";
}

while (!$stopped) {
    for my $socket ($select->can_read(0.5)) {
        if ($socket == $door) {
            my $new = $door->accept or next;
            $select->add($new);
            next;
        }
        my $id = fileno $socket;
        if (!sysread $socket, $rest{$id}, 4096, length($rest{$id} // '')) {
            delete $rest{$id};
            delete $followers{$id};
            $select->remove($socket);
            close $socket;
            next;
        }
        while ($rest{$id} =~ s/^(.*)\n//) {
            serve($socket, $1);
        }
    }
}
my $peers = keys %followers ? ', followed by ' . keys(%followers) : '';
print "stopped at $count after $answers requests$peers\n";

sub serve {
    my ($socket, $line) = @_;
    if ($leader && $socket == $leader) {
        $count = $line;
        return;
    }
    if ($line eq 'follow') {
        $followers{ fileno $socket } = $socket;
    } elsif ($line eq 'add') {
        $count++;
        syswrite $_, "$count\n" for values %followers;
    }
    $answers++;
    syswrite $socket, "$count\n";
}
