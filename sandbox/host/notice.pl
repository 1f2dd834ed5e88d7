# Tells the sandbox what happens on this host, and waits for its word: "x" means that it must not happen.
# A sandbox that is gone holds nobody up.
use strict;
use Socket;

sub notice {
    my ($text) = @_;
    my $answer = '';
    eval {
        local $SIG{ALRM} = sub { die "late\n" };
        alarm 3;
        socket(my $sock, AF_UNIX, SOCK_STREAM, 0) or die;
        connect($sock, pack_sockaddr_un('/run/a3/note.sock')) or die;
        syswrite $sock, pack('N', length $text) . $text;
        sysread $sock, $answer, 1;
        close $sock;
    };
    alarm 0;
    exit 255 if $answer eq 'x';
    return;
}
1;
