/*
 * Requests at a fixed rate, whatever the answers do: latency without coordinated omission.
 *
 *     paced PORT HOST RATE SECONDS WARM CONNECTIONS
 *
 * The moments of the requests are drawn beforehand, as of a Poisson process. Each one takes an idle
 * connection, or waits for one; its latency counts from the moment that was meant. The first WARM
 * seconds are left out. One line tells the outcome: requests, faults, those that had to wait for a
 * connection, and the latencies at 50 %, 99 %, 99.9 % and the longest in nanoseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 16384, EVENTS = 256 };
static const int64_t SECOND = 1000000000;
static const int64_t PATIENCE = 5; /* seconds for what is under way at the end */

struct connection {
    int fd;
    int64_t meant; /* when the request under way was meant to be sent */
    size_t got, head, whole;
    char data[BUFFER];
};

static const char *host;
static int64_t faults, waited;

static int64_t now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * SECOND + at.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* The same moments in every run. */
static double draw(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return ((state >> 11) + 1) / 9007199254740993.0;
}

static void open_connection(struct connection *c, int port, int epoll)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        fail("epoll_ctl");
}

static void ask(struct connection *c, int64_t meant, int64_t n)
{
    char text[1024];
    int size = snprintf(text, sizeof text,
        "GET /shop/articles/%ld?page=%ld HTTP/1.1\r\nHost: %s\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
        "Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
        "Referer: https://%s/shop/\r\nConnection: keep-alive\r\n"
        "Cookie: session=4f2a%ld; theme=dark\r\n\r\n",
        (long)n, (long)n, host, host, (long)n);
    c->meant = meant;
    c->got = c->head = c->whole = 0;
    if (send(c->fd, text, size, MSG_NOSIGNAL) != size)
        fail("send");
}

/* Read; 1 when the answer is whole. A connection that ends, or speaks unasked, ends the run. */
static int answered(struct connection *c)
{
    ssize_t size = recv(c->fd, c->data + c->got, BUFFER - 1 - c->got, 0);
    if (size < 0 && errno == EAGAIN)
        return 0;
    if (size <= 0 || c->meant == 0)
        fail("a connection ended, or an answer came unasked");
    c->got += size;
    c->data[c->got] = 0;
    if (c->head == 0) {
        char *end = strstr(c->data, "\r\n\r\n");
        char *length = strcasestr(c->data, "\r\ncontent-length:");
        if (end == NULL)
            return 0;
        if (length == NULL || length > end)
            fail("an answer without length");
        c->head = end + 4 - c->data;
        c->whole = c->head + strtoul(length + 17, NULL, 10);
        if (strncmp(c->data, "HTTP/1.1 2", 10) != 0)
            faults++;
    }
    return c->got >= c->whole;
}

static int compare(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "paced PORT HOST RATE SECONDS WARM CONNECTIONS\n");
        return 2;
    }
    int port = atoi(argv[1]), connections = atoi(argv[6]), epoll = epoll_create1(0);
    double rate = atof(argv[3]), seconds = atof(argv[4]), warm = atof(argv[5]);
    host = argv[2];
    int64_t total = 0, most = (int64_t)(rate * (seconds + warm) * 1.2) + 1000;
    int64_t *meant = malloc(most * sizeof *meant), *took = malloc(most * sizeof *took);
    for (double at = 0; total < most; total++) {
        at += -log(draw()) / rate;
        if (at > seconds + warm)
            break;
        meant[total] = (int64_t)(at * SECOND);
    }
    struct connection *all = calloc(connections, sizeof *all), **idle = calloc(connections, sizeof *idle);
    int idles = 0;
    for (int i = 0; i < connections; i++) {
        open_connection(&all[i], port, epoll);
        idle[idles++] = &all[i];
    }
    int64_t begun = now(), asked = 0, answers = 0, kept = 0, last_waited = -1;
    struct epoll_event events[EVENTS];
    while (answers < total) {
        int64_t at = now() - begun;
        while (asked < total && meant[asked] <= at && idles > 0) {
            ask(idle[--idles], begun + meant[asked], asked + 1);
            asked++;
        }
        if (asked < total && meant[asked] <= at && last_waited != asked) {
            waited++;
            last_waited = asked;
        }
        int64_t pause = asked < total && idles > 0 ? meant[asked] - (now() - begun)
                                                   : meant[total - 1] + PATIENCE * SECOND - at;
        if (pause < 0 && idles == 0)
            break;
        pause = pause < 0 ? 0 : pause;
        struct timespec timeout = {pause / SECOND, pause % SECOND};
        int ready = epoll_pwait2(epoll, events, EVENTS, &timeout, NULL);
        if (ready < 0)
            fail("epoll_pwait2");
        if (ready == 0 && asked == total)
            break;
        int64_t came = now();
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (!answered(c))
                continue;
            if (c->meant - begun >= (int64_t)(warm * SECOND))
                took[kept++] = came - c->meant;
            c->meant = 0;
            idle[idles++] = c;
            answers++;
        }
    }
    faults += total - answers;
    qsort(took, kept, sizeof *took, compare);
    if (kept == 0)
        return 1;
    printf("paced %ld %ld %ld %ld %ld %ld %ld\n", (long)answers, (long)faults, (long)waited,
        (long)took[kept / 2], (long)took[kept * 99 / 100], (long)took[kept * 999 / 1000],
        (long)took[kept - 1]);
    return 0;
}
