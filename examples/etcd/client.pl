#!/usr/bin/perl
# Writes to an etcd cluster, one key after the other: client.pl SECONDS URL...
# A URL that gives no answer is not asked again for a while. Prints how many writes were done
# in each tenth of a second, and the longest time without one.
use strict;
use warnings;
use HTTP::Tiny;
use MIME::Base64;
use Time::HiRes qw(time sleep);

my ($seconds, @urls) = @ARGV;
die "usage: client.pl SECONDS URL...\n" unless @urls;
$| = 1;
my $http = HTTP::Tiny->new(timeout => 0.5, keep_alive => 1);
my $key  = encode_base64($ENV{DOWNBEAT_PROCESS} // 'client', '');
my ($start, $warm) = (time, 0);
my ($last, $gap, $count, $slot) = ($start, 0, 0, 0);

while ((my $now = time) < $start + $seconds) {
    if ((my $reached = int(($now - $start) * 10)) > $slot) {
        printf "%.1f,%d\n", $slot / 10, $count;
        $count = 0;
        printf "%.1f,0\n", $slot / 10 while ++$slot < $reached;
    }
    my $answer = $http->post("$urls[0]/v3/kv/put", {
        headers => { 'Content-Type' => 'application/json' },
        content => sprintf('{"key":"%s","value":"%s"}', $key, encode_base64($now, '')),
    });
    if ($answer->{success}) {
        $gap = time - $last if time - $last > $gap;
        ($last, $count) = (time, $count + 1);
    } else {
        push @urls, shift @urls;
        sleep 0.02;
    }
    if (!$warm && $now > $start + 2) {
        $warm = 1;
        system 'curl', '-sf', '--unix-socket', $ENV{DOWNBEAT_SYNC}, '-T', '/dev/null', 'http://worker/value/warm' if $ENV{DOWNBEAT_SYNC};
    }
}
printf "longest gap: %.0f ms\n", 1000 * $gap;
