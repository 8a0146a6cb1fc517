/* cc -o hub_pub hub_pub.c && ./hub_pub 127.0.0.1 PORT CHANNEL      publishes each line of its input to a hub, and ends when all is stored */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2])), .sin_addr.s_addr = inet_addr(argv[1])};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) return perror("connect"), 3;

    FILE *out = fdopen(dup(fd), "w"), *in = fdopen(fd, "r");
    fprintf(out, "%-10zuPUBLISH %s acks=none", strlen("PUBLISH  acks=none") + strlen(argv[3]), argv[3]);
    char *line = NULL, last[4097] = "nothing", expected[32], header[11] = "";
    size_t room = 0, count = 0;
    for (ssize_t n; (n = getline(&line, &room, stdin)) >= 0; count++) {
        if (n > 0 && line[n - 1] == '\n') n--;
        fprintf(out, "%-10zd", n);
        fwrite(line, 1, n, out);
    }
    if (fclose(out) != 0) perror("send");  /* the hub may have said why */
    shutdown(fd, SHUT_WR);

    while (fread(header, 1, 10, in) == 10) {
        size_t length = strtoul(header, NULL, 10);
        if (length >= sizeof last || fread(last, 1, length, in) != length) return 4;
        last[length] = '\0';
    }
    snprintf(expected, sizeof expected, "ACK %zu", count);
    return strcmp(last, expected) == 0 ? 0 : (fprintf(stderr, "not all was stored: %s\n", last), 1);
}
