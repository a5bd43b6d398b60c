/* Comes after as many milliseconds as the third argument says to the barrier of that name, waits
   there for as many as the second says, and prints CLOCK_REALTIME in nanoseconds just before it
   asked and just after it was answered. It prints that and ends only a while later, so that the
   others don't have to share the machine with what its end entails. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv) {
	const char *path = getenv("DOWNBEAT_SYNC");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	if (argc < 4 || !path || strlen(path) >= sizeof to.sun_path) return 2;
	strcpy(to.sun_path, path);
	usleep(1000 * atoi(argv[3]));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) return 1;
	char text[512];
	int n = snprintf(text, sizeof text, "POST /barrier/%s?count=%s&within=30s HTTP/1.1\r\nHost: worker\r\nContent-Length: 0\r\n\r\n", argv[1], argv[2]);
	long long asked = now();
	if (write(fd, text, n) != n || (n = read(fd, text, sizeof text - 1)) <= 0) return 1;
	long long answered = now();
	text[n] = 0;
	if (!strstr(text, " 204 ")) {
		fprintf(stderr, "%s\n", text);
		return 1;
	}
	usleep(200000);
	printf("%lld %lld\n", asked, answered);
	return 0;
}
