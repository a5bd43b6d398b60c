#!/usr/bin/env perl
# A workload for server.pl: client.pl write|read ADDRESS:PORT SECONDS [PAUSE in milliseconds]
# A writer counts up, a reader watches the count and makes sure that it never goes back. Each
# says once a second how many requests were answered, and how fast.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Time::HiRes qw(sleep time);
use Wire;

$| = 1;
$SIG{PIPE} = 'IGNORE';
my $stopped = 0;
$SIG{TERM} = $SIG{INT} = sub { $stopped = 1 };

my ($mode, $address, $seconds, $pause) = @ARGV;
my %request = (write => "add\n", read => "get\n");
die "usage: client.pl write|read ADDRESS:PORT SECONDS [PAUSE]\n" unless $seconds && $request{$mode};
$pause //= 2;

my $server = Wire::connect_to($address, 10, \$stopped);
my ($begin, $shown, $last, @all, @recent) = (time, time, 0);
while (!$stopped && time - $begin < $seconds) {
    my $sent = time;
    syswrite $server, $request{$mode};
    my $answer = <$server> // last;
    chomp $answer;
    push @recent, 1000 * (time - $sent);
    die "the count went back from $last to $answer\n" if $answer < $last;
    $last = $answer;
    if (time - $shown >= 1) {
        report('');
        $shown = time;
    }
    sleep $pause * rand(2) / 1000;
}
die "the server hung up\n" unless $stopped || time - $begin >= $seconds;
push @all, @recent;
@recent = @all;
report('in all ');

sub report {
    my ($what) = @_;
    my @sorted = sort { $a <=> $b } @recent;
    return unless @sorted;
    printf "%s%d %ss, median %.2f ms, slowest %.2f ms, count is %d\n",
        $what, scalar @sorted, $mode, $sorted[@sorted / 2], $sorted[-1], $last;
    push @all, @recent unless $what;
    @recent = ();
}
