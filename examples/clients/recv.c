/* cc -o recv recv.c && ./recv 127.0.0.1 PORT      prints each message as it comes */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2])), .sin_addr.s_addr = inet_addr(argv[1])};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) return perror("connect"), 3;

    FILE *in = fdopen(fd, "r");
    char header[11] = "";
    size_t got;
    while ((got = fread(header, 1, 10, in)) == 10) {
        long long left = atoll(header);
        for (int c; left > 0 && (c = getc(in)) != EOF; left--) putchar(c);
        if (left > 0) return fputs("the stream ended inside a message\n", stderr), 4;
        putchar('\n');
        fflush(stdout);
    }
    return got == 0 ? 0 : 4;
}
