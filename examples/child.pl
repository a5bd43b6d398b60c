#!/usr/bin/env perl
# Prints lines at random moments: child.pl [-l LINES] [-s LONGEST SLEEP in seconds] [-x EXIT STATUS]
use strict;
use warnings;
use Getopt::Std;
use Time::HiRes qw(sleep);

my %opt = (l => 5, s => 0.8, x => 0);
getopts('l:s:x:', \%opt) or die "usage: child.pl [-l lines] [-s seconds] [-x status]\n";
$| = 1;
for my $i (1 .. $opt{l}) {
    sleep rand $opt{s};
    print "line $i of $opt{l}\n";
}
exit $opt{x};
