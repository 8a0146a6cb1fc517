/* The broker of ZeroMQ: zmq_proxy() between an XSUB, for publishers, and an XPUB, for subscribers.
 * Called as `zmq_proxy --port-file FILE`. High-water marks are 0, which means unlimited: with any
 * other, XPUB drops messages for a subscriber that is behind, and the load client's own limit is
 * what bounds the queues. */

#include <stdio.h>
#include <zmq.h>

static int bind_socket(void *socket, char *address, size_t size) {
    int none = 0, backlog = 4096;
    return zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none) ||
           zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none) ||
           zmq_setsockopt(socket, ZMQ_BACKLOG, &backlog, sizeof backlog) ||
           zmq_bind(socket, "tcp://127.0.0.1:*") ||
           zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, address, &size);
}

int main(int count, char **args) {
    void *context = zmq_ctx_new();
    void *publishers = zmq_socket(context, ZMQ_XSUB);
    void *subscribers = zmq_socket(context, ZMQ_XPUB);
    char publishers_address[256], subscribers_address[256], temporary[4096];
    /* Each subscription is told to publishers, also a second one to the same channel. That is how
     * the load client knows that its subscriber is one. */
    int verbose = 1;
    if (count != 3 || zmq_setsockopt(subscribers, ZMQ_XPUB_VERBOSE, &verbose, sizeof verbose) ||
        bind_socket(publishers, publishers_address, sizeof publishers_address) ||
        bind_socket(subscribers, subscribers_address, sizeof subscribers_address)) {
        fprintf(stderr, "zmq_proxy: %s\n", count == 3 ? zmq_strerror(zmq_errno()) : "arguments");
        return 1;
    }
    snprintf(temporary, sizeof temporary, "%s.new", args[2]);
    FILE *file = fopen(temporary, "w");
    if (!file || fprintf(file, "%s\n%s\n", subscribers_address, publishers_address) < 0 ||
        fclose(file) || rename(temporary, args[2])) {
        perror("zmq_proxy");
        return 1;
    }
    return zmq_proxy(publishers, subscribers, NULL);
}
