/* Appends its CLOCK_REALTIME on entry of main, in nanoseconds, to the file named by the
   first argument, then sleeps for as many seconds as the second says (default 1). Static, so
   that loading libraries doesn't blur when it began. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (argc < 2) return 2;
	char line[32];
	int n = snprintf(line, sizeof line, "%lld%09ld\n", (long long)now.tv_sec, now.tv_nsec);
	int fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT, 0644);
	if (fd < 0 || write(fd, line, n) != n) return 1;
	close(fd);
	sleep(argc > 2 ? atoi(argv[2]) : 1);
	return 0;
}
