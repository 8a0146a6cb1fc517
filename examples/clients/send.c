/* cc -o send send.c && ./send 127.0.0.1 PORT      sends each line of its input as one message */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2])), .sin_addr.s_addr = inet_addr(argv[1])};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) return perror("connect"), 3;

    FILE *out = fdopen(fd, "w");
    char *line = NULL;
    size_t room = 0;
    for (ssize_t n; (n = getline(&line, &room, stdin)) >= 0;) {
        if (n > 0 && line[n - 1] == '\n') n--;
        fprintf(out, "%-10zd", n);
        fwrite(line, 1, n, out);
    }
    return fclose(out) == 0 ? 0 : 1;
}
