/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traffic between two systems, of which both ends say whether it arrived as it was sent:
 *
 *   traffic udp-receive PORT | udp-send ADDRESS PORT PACKETS BYTES
 *   traffic tcp-receive PORT | tcp-send ADDRESS PORT BYTES
 *   traffic wait PORT        | tell ADDRESS PORT
 *
 * A sender of UDP stops after each 32 packets until the receiver has said how many have come.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define WINDOW   32
#define PATIENCE 20 /* seconds */
#define CHUNK    65536
#define MOST_UDP 60000

struct packet {
    uint32_t number, total; /* total 0: how many have come? */
    uint8_t bytes[MOST_UDP];
};

static void die(const char *what)
{
    fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in address_of(const char *address, const char *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

    if (address && inet_pton(AF_INET, address, &a.sin_addr) != 1)
        die(address);
    return a;
}

static int open_socket(int type, const char *address, const char *port)
{
    struct sockaddr_in a = address_of(address, port);
    struct timeval patience = {PATIENCE, 0};
    int s = socket(AF_INET, type, 0), on = 1;

    if (s < 0)
        die("socket");
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address ? connect(s, (struct sockaddr *)&a, sizeof(a)) : bind(s, (struct sockaddr *)&a, sizeof(a)))
        die(address ? address : port);
    if (address)
        setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return s;
}

/* FNV-1a */
static uint64_t hash_more(uint64_t hash, const uint8_t *at, size_t n)
{
    while (n--)
        hash = (hash ^ *at++) * 0x100000001b3;
    return hash;
}

/* --- UDP --- */

static uint8_t pattern(uint32_t number, size_t i)
{
    return (uint8_t)(number * 31 + i);
}

static int udp_receive(const char *port)
{
    static struct packet p;
    int s = open_socket(SOCK_DGRAM, NULL, port);
    uint32_t came = 0, wrong = 0, total = UINT32_MAX;

    while (came < total) {
        struct sockaddr_in from;
        socklen_t size = sizeof(from);
        ssize_t n = recvfrom(s, &p, sizeof(p), 0, (struct sockaddr *)&from, &size);

        if (n < 8)
            die("recvfrom");
        if (p.total) {
            came++;
            total = p.total;
            for (size_t i = 0; i < (size_t)n - 8; i++)
                wrong += p.bytes[i] != pattern(p.number, i);
        }
        if (!p.total || came == total)
            sendto(s, &came, sizeof(came), 0, (struct sockaddr *)&from, size);
    }
    printf("%u packets of UDP came, %u bytes wrong\n", came, wrong);
    return wrong != 0;
}

static uint32_t ask(int s)
{
    const uint32_t question[2] = {0, 0};
    uint32_t came;

    if (send(s, question, sizeof(question), 0) < 0 || recv(s, &came, sizeof(came), 0) != sizeof(came))
        die("no answer");
    return came;
}

static int udp_send(const char *address, const char *port, uint32_t total, size_t bytes)
{
    static struct packet p;
    int s = open_socket(SOCK_DGRAM, address, port);
    uint32_t came = 0;

    for (uint32_t i = 0; i < total; i++) {
        p.number = i;
        p.total = total;
        for (size_t k = 0; k < bytes; k++)
            p.bytes[k] = pattern(i, k);
        if (send(s, &p, bytes + 8, 0) < 0)
            die("send");
        if (i % WINDOW == WINDOW - 1 && i + 1 < total)
            came = ask(s);
    }
    if (recv(s, &came, sizeof(came), 0) != sizeof(came))
        die("no answer");
    printf("%u of %u packets of UDP\n", came, total);
    return came != total;
}

/* --- TCP --- */

static int accept_one(const char *port)
{
    int s = open_socket(SOCK_STREAM, NULL, port), c;

    if (listen(s, 1) || (c = accept(s, NULL, NULL)) < 0)
        die("accept");
    close(s);
    return c;
}

static int tcp_receive(const char *port)
{
    static uint8_t chunk[CHUNK];
    int c = accept_one(port);
    uint64_t hash = 0xcbf29ce484222325, total = 0;
    ssize_t n;

    while ((n = recv(c, chunk, sizeof(chunk), 0)) > 0) {
        hash = hash_more(hash, chunk, (size_t)n);
        total += (uint64_t)n;
    }
    if (send(c, &hash, sizeof(hash), 0) != sizeof(hash))
        die("send");
    printf("%llu bytes of TCP came, %016llx\n", (unsigned long long)total, (unsigned long long)hash);
    return 0;
}

static bool send_all(int s, const uint8_t *at, size_t n)
{
    while (n) {
        ssize_t done = send(s, at, n, 0);

        if (done <= 0)
            return false;
        at += done;
        n -= (size_t)done;
    }
    return true;
}

static int tcp_send(const char *address, const char *port, uint64_t total)
{
    static uint8_t chunk[CHUNK];
    int s = open_socket(SOCK_STREAM, address, port);
    uint64_t hash = 0xcbf29ce484222325, theirs = 0, state = 1;

    for (uint64_t done = 0; done < total;) {
        size_t n = total - done < CHUNK ? (size_t)(total - done) : CHUNK;

        for (size_t i = 0; i < n; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            chunk[i] = (uint8_t)(state >> 56);
        }
        hash = hash_more(hash, chunk, n);
        if (!send_all(s, chunk, n))
            die("send");
        done += n;
    }
    shutdown(s, SHUT_WR);
    if (recv(s, &theirs, sizeof(theirs), MSG_WAITALL) != sizeof(theirs))
        die("no answer");
    printf("%llu bytes of TCP, %016llx here, %016llx there\n", (unsigned long long)total,
           (unsigned long long)hash, (unsigned long long)theirs);
    return hash != theirs;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (!strcmp(what, "udp-receive") && argc == 3)
        return udp_receive(argv[2]);
    if (!strcmp(what, "udp-send") && argc == 6 && (size_t)atoi(argv[5]) <= MOST_UDP)
        return udp_send(argv[2], argv[3], (uint32_t)atoi(argv[4]), (size_t)atoi(argv[5]));
    if (!strcmp(what, "tcp-receive") && argc == 3)
        return tcp_receive(argv[2]);
    if (!strcmp(what, "tcp-send") && argc == 5)
        return tcp_send(argv[2], argv[3], strtoull(argv[4], NULL, 0));
    if (!strcmp(what, "wait") && argc == 3)
        return close(accept_one(argv[2]));
    if (!strcmp(what, "tell") && argc == 4)
        return close(open_socket(SOCK_STREAM, argv[2], argv[3]));
    fprintf(stderr,
            "traffic: expected udp-receive PORT, udp-send ADDRESS PORT PACKETS BYTES, tcp-receive PORT, "
            "tcp-send ADDRESS PORT BYTES, wait PORT or tell ADDRESS PORT\n");
    return 2;
}
