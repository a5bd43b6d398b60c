/* Prints as many lines of 100 bytes as the first argument says: each begins with its number, so
   that a lost, torn or doubled line can be told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
	long n = argc > 1 ? atol(argv[1]) : 0;
	static char out[1 << 16];
	setvbuf(stdout, out, _IOFBF, sizeof out);
	char line[101];
	memset(line, 'x', 99);
	line[99] = '\n';
	line[100] = 0;
	for (long i = 0; i < n; i++) {
		char number[16];
		int len = snprintf(number, sizeof number, "%010ld ", i);
		memcpy(line, number, len);
		if (fwrite(line, 1, 100, stdout) != 100) return 1;
	}
	return fflush(stdout) != 0;
}
