/* cc -o hub_sub hub_sub.c && ./hub_sub 127.0.0.1 PORT CHANNEL [FROM]      prints each message of a hub's channel as it comes */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static FILE *in;

/* Copies the next frame's payload. Its length; -1 at the end; ends the program if the stream ends inside a frame. */
static long long frame(FILE *out, char *start, size_t room) {
    char header[11] = "", canonical[32];
    size_t got = fread(header, 1, 10, in);
    if (got == 0 && !ferror(in)) return -1;
    long long length = atoll(header), at = 0;
    snprintf(canonical, sizeof canonical, "%-10lld", length);
    if (got == 10 && (length < 0 || strcmp(header, canonical) != 0)) fprintf(stderr, "not a length: %s\n", header), exit(4);
    for (int c; got == 10 && at < length && (c = getc(in)) != EOF; at++) {
        if ((size_t)at < room) start[at] = c;
        if (out) putc(c, out);
    }
    if (got < 10 || at < length) fputs("the stream ended inside a frame\n", stderr), exit(4);
    return length;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2])), .sin_addr.s_addr = inet_addr(argv[1])};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) return perror("connect"), 3;

    char request[4096], answer[4096] = "";
    int length = snprintf(request, sizeof request, "SUBSCRIBE %s%s%s", argv[3], argc > 4 ? " from=" : "", argc > 4 ? argv[4] : "");
    if (length >= (int)sizeof request || dprintf(fd, "%-10d%s", length, request) < 0) return 1;

    in = fdopen(fd, "r");
    if (frame(NULL, answer, sizeof answer - 1) < 0 || strncmp(answer, "OK ", 3) != 0) return fprintf(stderr, "not subscribed: %s\n", answer), 1;
    while (frame(stdout, NULL, 0) >= 0) putchar('\n'), fflush(stdout);
    return 0;
}
