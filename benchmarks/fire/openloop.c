/* Sends HTTP requests on schedule over loopback, whatever comes back, and writes how each ended.
 *
 *   openloop PORT CONNECTIONS RATE SECONDS TIMEOUT OUT REQUEST ANSWER [REQUEST ANSWER ...]
 *
 * REQUEST files hold a whole request each and are sent in turn; ANSWER files hold the body that a
 * 200 must have, or up to eight of the same length. RATE is requests a second; 0 keeps every connection busy (a closed loop). Of each
 * request OUT has four fields of 32 bits: when it was due, sent and over (seconds from the start,
 * floats), and its status; 0 is no answer in TIMEOUT, -1 a connection lost, -2 a 200 with another
 * body, -3 not sent, since all CONNECTIONS were waiting. Nothing is sent twice. Linux only. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_ANSWERS = 8, HEAD = 8192, BUFFER = 1 << 18, EVENTS = 512, NONE = -1 };
enum { NO_ANSWER = 0, LOST = -1, OTHER_BODY = -2, NOT_SENT = -3, OPEN = -4 };

typedef struct { float due, sent, over; int32_t status; } Record;
typedef struct { char *bytes; size_t size; } Text;
typedef struct {
    int fd;
    long request;       /* which is in flight, or NONE */
    size_t sent;
    size_t head_size;   /* of what has come of the head */
    int status;         /* 0 while the head is not complete */
    size_t length, got; /* of the body */
    int closes;
    int differs;        /* a bit for each answer that the body is not; -1: for all */
    char head[HEAD];
} Slot;

static Record *records;
static Slot **holders; /* of each request, the connection that it was sent on */
static Text *requests, *answers;
static long kinds, slots_count, free_count, *free_slots, in_flight;
static Slot *slots;
static int poll_fd;
static struct sockaddr_in address;
static double began;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec - began;
}

static Text text(const char *path) {
    struct stat found;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &found)) { perror(path); exit(1); }
    Text text = {malloc((size_t)found.st_size + 1), (size_t)found.st_size};
    size_t read_size = 0;
    while (read_size < text.size) {
        ssize_t n = read(fd, text.bytes + read_size, text.size - read_size);
        if (n <= 0) { perror(path); exit(1); }
        read_size += (size_t)n;
    }
    close(fd);
    return text;
}

static void hang_up(Slot *slot) {
    if (slot->fd != NONE) close(slot->fd);
    slot->fd = NONE;
}

/* End a request, and free its connection for another. */
static void end(Slot *slot, int status) {
    Record *record = &records[slot->request];
    record->over = (float)now();
    record->status = status;
    slot->request = NONE;
    in_flight--;
    free_slots[free_count++] = slot - slots;
}

static void fail(Slot *slot, int status) {
    hang_up(slot);
    if (slot->request != NONE) end(slot, status);
}

static int dial(Slot *slot) {
    int one = 1;
    slot->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (slot->fd < 0) { slot->fd = NONE; return -1; }
    setsockopt(slot->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, {.ptr = slot}};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, slot->fd, &event);
    if (connect(slot->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
        return -1;
    return 0;
}

static void push(Slot *slot) {
    Text *request = &requests[slot->request % kinds];
    while (slot->sent < request->size) {
        ssize_t n = send(slot->fd, request->bytes + slot->sent, request->size - slot->sent, MSG_NOSIGNAL);
        if (n < 0) return; /* later; or it was refused, which reading tells */
        slot->sent += (size_t)n;
    }
}

static void start(long request) {
    Slot *slot = &slots[free_slots[--free_count]];
    slot->request = request;
    holders[request] = slot;
    slot->sent = slot->head_size = slot->length = slot->got = 0;
    slot->status = slot->closes = slot->differs = 0;
    records[request].sent = (float)now();
    in_flight++;
    if (slot->fd == NONE && dial(slot)) fail(slot, LOST);
    else push(slot);
}

/* Read the head's fields, once it is complete; returns the size of the head or 0. */
static size_t parse(Slot *slot) {
    slot->head[slot->head_size] = 0;
    char *stop = strstr(slot->head, "\r\n\r\n");
    if (!stop) return 0;
    stop[2] = 0;
    slot->status = atoi(slot->head + 9);
    char *length = strcasestr(slot->head, "\r\ncontent-length:");
    slot->length = length ? strtoul(length + 17, NULL, 10) : 0;
    slot->closes = strcasestr(slot->head, "\r\nconnection: close") != NULL;
    return (size_t)(stop + 4 - slot->head);
}

/* Whether a body is none of the answers that it may be. */
static int differs(Slot *slot) {
    Text *answer = &answers[slot->request % kinds];
    size_t count = slot->length ? answer->size / slot->length : 0;
    return slot->status == 200 && (!count || slot->differs < 0 || slot->differs == (1 << count) - 1);
}

static void take_body(Slot *slot, const char *bytes, size_t size) {
    Text *answer = &answers[slot->request % kinds];
    size_t count = slot->length ? answer->size / slot->length : 0;
    int fits = slot->length && answer->size % slot->length == 0 && slot->got + size <= slot->length;
    for (size_t i = 0; i < count && fits; i++)
        if (memcmp(answer->bytes + i * slot->length + slot->got, bytes, size))
            slot->differs |= 1 << i;
    if (!fits || count > MOST_ANSWERS) slot->differs = -1;
    slot->got += size;
}

static void take(Slot *slot, const char *bytes, size_t size) {
    if (slot->request == NONE) { hang_up(slot); return; }
    if (!slot->status) {
        size_t room = HEAD - 1 - slot->head_size, used = size < room ? size : room;
        memcpy(slot->head + slot->head_size, bytes, used);
        size_t before = slot->head_size;
        slot->head_size += used;
        size_t head = parse(slot);
        if (!head) { if (used == room) fail(slot, LOST); return; }
        bytes += head - before;
        size -= head - before;
    }
    take_body(slot, bytes, size);
    if (slot->got < slot->length) return;
    if (slot->closes || slot->sent < requests[slot->request % kinds].size) hang_up(slot);
    end(slot, differs(slot) ? OTHER_BODY : slot->status);
}

static void serve(Slot *slot, uint32_t events) {
    static char buffer[BUFFER];
    if (slot->fd == NONE) return;
    if (slot->request != NONE && events & EPOLLOUT) push(slot);
    while (slot->fd != NONE) {
        ssize_t n = recv(slot->fd, buffer, BUFFER, 0);
        if (n > 0) take(slot, buffer, (size_t)n);
        else if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) return;
        else fail(slot, LOST);
    }
}

/* Wait for events until a time, and deal with them. */
static void turn(double until) {
    struct epoll_event events[EVENTS];
    double left = until - now();
    if (left < 0) left = 0;
    struct timespec wait = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
    int found = epoll_pwait2(poll_fd, events, EVENTS, &wait, NULL);
    for (int i = 0; i < found; i++) serve(events[i].data.ptr, events[i].events);
}

/* Give up what is older than the limit, in the order in which it was due. */
static void give_up(long *oldest, long sent, double limit) {
    double time = now();
    for (; *oldest < sent; (*oldest)++) {
        Record *record = &records[*oldest];
        if (record->status != OPEN) continue;
        if (record->due + limit > time) return;
        fail(holders[*oldest], NO_ANSWER);
    }
}

/* Send a request now, if a connection is free; if all are waiting for answers it is lost. */
static void submit(long request, double due, double time) {
    records[request] = (Record){(float)due, (float)time, (float)time, free_count ? OPEN : NOT_SENT};
    if (free_count) start(request);
}

static long run(double rate, double seconds, double limit, long most) {
    long sent = 0, oldest = 0;
    for (double time = 0; time < seconds || in_flight; time = now()) {
        if (rate > 0)
            for (; sent < most && (double)sent / rate <= time; sent++)
                submit(sent, (double)sent / rate, time);
        else
            for (; sent < most && time < seconds && free_count; sent++) submit(sent, time, time);
        give_up(&oldest, sent, limit);
        double next = rate > 0 && sent < most ? (double)sent / rate : time + 0.01;
        turn(next < time + 0.01 ? next : time + 0.01);
    }
    return sent;
}

int main(int count, char **words) {
    if (count < 9 || count % 2 == 0) { fprintf(stderr, "see the head of openloop.c\n"); return 2; }
    double rate = atof(words[3]), seconds = atof(words[4]);
    slots_count = atol(words[2]);
    kinds = (count - 7) / 2;
    requests = calloc((size_t)kinds, sizeof *requests);
    answers = calloc((size_t)kinds, sizeof *answers);
    for (long i = 0; i < kinds; i++) {
        requests[i] = text(words[7 + 2 * i]);
        answers[i] = text(words[8 + 2 * i]);
    }
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    long most = (long)(rate > 0 ? rate * seconds : 400000 * seconds);
    records = malloc(sizeof *records * (size_t)most);
    holders = calloc((size_t)most, sizeof *holders);
    slots = calloc((size_t)slots_count, sizeof *slots);
    free_slots = calloc((size_t)slots_count, sizeof *free_slots);
    for (long i = slots_count; i--;) {
        slots[i].fd = slots[i].request = NONE;
        free_slots[free_count++] = i;
    }
    poll_fd = epoll_create1(0);
    began = now();
    long due = run(rate, seconds, atof(words[5]), most);
    FILE *out = fopen(words[6], "wb");
    if (!out || fwrite(records, sizeof *records, (size_t)due, out) != (size_t)due || fclose(out)) {
        perror(words[6]);
        return 1;
    }
    return 0;
}
