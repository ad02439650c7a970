/* A fixed-rate server for heavy benchmarks: what `python -m simulator --speak fixed-rate` does, at 40,000 events/s.
 *
 * fixed_rate_server PORT TTFT_MS SPREAD_MS TOKENS_PER_S ANSWER_TOKENS JITTER_MS BURST EVENT_BYTES WIRE TRUTH
 * Token k leaves at received + TTFT (+ up to SPREAD_MS, once a reply) + k / TOKENS_PER_S (+ up to JITTER_MS); with
 * BURST 1 all replies share their instants. The truth log has the simulator's format. `received_ns` is the kernel's
 * stamp of the read that ended the request, `sent_ns` the instant right before send(): both CLOCK_MONOTONIC. SIGTERM
 * writes the log and ends.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FDS = 65536, REQUEST_BYTES = 65536, MAX_TOKENS = 4096, FRAME_BYTES = 131072 };
typedef int64_t ns;
typedef struct { char id[48]; ns received, *sent; int tokens, done; } Request;
typedef struct {
  char *in; int held; Request *now; int next; double start; ns due; int queued; char prompt[512]; char *text; int text_len;
} Connection;

static Connection at[MAX_FDS];
static int heap[MAX_FDS], waiting;
static Request **all; static size_t n_all, room_all;
static double ttft_ns, spread_ns, period_ns, jitter_ns; static int answer, burst, event_bytes; static const char *wire;
static ns offset_ns, origin_ns; static volatile sig_atomic_t stopped; static char frame[FRAME_BYTES], pad[65536];
static ns late_max; static long writes, late_1ms;

static ns clock_ns(clockid_t c) { struct timespec t; clock_gettime(c, &t); return t.tv_sec * 1000000000LL + t.tv_nsec; }
static ns now(void) { return clock_ns(CLOCK_MONOTONIC); }
static void take_offset(void) {
  ns best = INT64_MAX;
  for (int i = 0; i < 9; i++) {
    ns a = now(), wall = clock_ns(CLOCK_REALTIME), b = now();
    if (b - a < best) { best = b - a; offset_ns = wall - (a + b) / 2; }
  }
}

/* -- heap of connections by the instant their next token is due ------------------------------------------- */
static void swap(int i, int j) { int t = heap[i]; heap[i] = heap[j]; heap[j] = t; }
static void push(int fd) {
  int i = waiting++; heap[i] = fd; at[fd].queued = 1;
  while (i && at[heap[(i - 1) / 2]].due > at[heap[i]].due) { swap(i, (i - 1) / 2); i = (i - 1) / 2; }
}
static int pop(void) {
  int top = heap[0]; heap[0] = heap[--waiting]; at[top].queued = 0;
  for (int i = 0;;) {
    int l = 2 * i + 1, r = l + 1, m = i;
    if (l < waiting && at[heap[l]].due < at[heap[m]].due) m = l;
    if (r < waiting && at[heap[r]].due < at[heap[m]].due) m = r;
    if (m == i) return top;
    swap(i, m); i = m;
  }
}
static void schedule(int fd) {
  Connection *c = &at[fd];
  c->due = (ns)(c->start + c->next * period_ns + (jitter_ns ? drand48() * jitter_ns : 0));
  push(fd);
}

/* -- words ------------------------------------------------------------------------------------------------ */
static int openai_event(char *to, const Request *r, const char *delta, const char *finish) {
  return sprintf(to, "data: {\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion.chunk\",\"created\":1795381520,\"model\":"
    "\"llama-2\",\"choices\":[{\"index\":0,\"delta\":{%s},\"logprobs\":null,\"finish_reason\":%s}]}\n\n", r->id, delta, finish);
}
static int events(char *to, Connection *c, int k) {
  Request *r = c->now; int last = k + 1 == r->tokens, n = 0; char word[65600];
  sprintf(word, " w%d%s", k, pad);
  if (!strcmp(wire, "openai")) {
    char delta[65664];
    if (!k) n += openai_event(to, r, "\"role\":\"assistant\",\"content\":\"\"", "null");
    sprintf(delta, "\"content\":\"%s\"", word);
    n += openai_event(to + n, r, delta, last ? "\"length\"" : "null");
    if (last) n += sprintf(to + n, "data: {\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion.chunk\",\"model\":\"llama-2\","
      "\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":%d}}\n\ndata: [DONE]\n\n", r->id, r->tokens);
  } else if (!strcmp(wire, "tgi")) {
    n = sprintf(to, "data:{\"index\":%d,\"token\":{\"id\":349,\"text\":\"%s\",\"logprob\":-0.9,\"special\":false},", k + 1, word);
    n += last ? sprintf(to + n, "\"generated_text\":\"x\",\"details\":{\"finish_reason\":\"length\",\"generated_tokens\":%d,"
      "\"seed\":null}}\n\n", r->tokens) : sprintf(to + n, "\"generated_text\":null,\"details\":null}\n\n");
  } else {
    c->text_len += sprintf(c->text + c->text_len, "%s", word);
    n = sprintf(to, "{\"text\": [\"%s%s\"]}", c->prompt, c->text) + 1;
  }
  return n;
}

/* -- replies ---------------------------------------------------------------------------------------------- */
static void hang_up(int fd) { close(fd); at[fd].held = 0; if (at[fd].now && !at[fd].queued) at[fd].now = NULL; else at[fd].now = NULL; }
static void put(int fd, const char *data, int size) {
  while (size > 0) {
    ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
    if (sent < 0) { if (errno == EAGAIN) { usleep(50); continue; } return; }
    data += sent; size -= sent;
  }
}
static void beat(int fd) {
  Connection *c = &at[fd]; Request *r = c->now;
  if (!r) return;
  char *body = frame + 16; int size = events(body, c, c->next), last = c->next + 1 == r->tokens;
  char head[16]; int h = sprintf(head, "%x\r\n", size); char *start = body - h;
  memcpy(start, head, h); memcpy(body + size, "\r\n0\r\n\r\n", 7); size += h + (last ? 7 : 2);
  ns t = now(), late = t - c->due; writes++; if (late > late_max) late_max = late; if (late > 1000000) late_1ms++;
  r->sent[c->next++] = t; r->done = c->next;
  put(fd, start, size);
  if (last) c->now = NULL; else schedule(fd);
}
static void answer_get(int fd, const char *path) {
  char to[512]; const char *models = "{\"object\":\"list\",\"data\":[{\"id\":\"llama-2\",\"object\":\"model\",\"owned_by\":\"vllm\"}]}";
  const char *info = "{\"model_id\":\"llama-2\",\"version\":\"3.3.7\"}", *body = NULL;
  if (!strcmp(wire, "openai") && !strncmp(path, "/v1/models ", 11)) body = models;
  if (!strcmp(wire, "tgi") && !strncmp(path, "/info ", 6)) body = info;
  int n = sprintf(to, "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
    body ? "200 OK" : "404 Not Found", body ? strlen(body) : 0, body ? body : "");
  put(fd, to, n);
}
static void begin(int fd, const char *head, const char *body, ns received) {
  static const char ok[] = "HTTP/1.1 200 OK\r\nserver: fixed-rate\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
  Connection *c = &at[fd]; Request *r = calloc(1, sizeof *r);
  const char *id = strcasestr(head, "\r\nx-request-id:");
  if (id && id < body) sscanf(id + 15, " %47[^\r\n]", r->id);
  const char *prompt = strstr(body, "\"prompt\":\"");
  if (prompt) { const char *end = strchr(prompt + 10, '"'); snprintf(c->prompt, sizeof c->prompt, "%.*s", (int)(end ? end - prompt - 10 : 0), prompt + 10); }
  if (!strcmp(wire, "nul")) { free(c->text); c->text = calloc(1, (size_t)answer * (event_bytes + 8) + 16); c->text_len = 0; }
  r->received = received; r->tokens = answer; r->sent = malloc(sizeof(ns) * answer);
  if (n_all == room_all) all = realloc(all, sizeof *all * (room_all = room_all ? 2 * room_all : 1024));
  all[n_all++] = r; c->now = r; c->next = 0; c->start = received + ttft_ns + (spread_ns ? drand48() * spread_ns : 0);
  if (burst) c->start = origin_ns + ((int64_t)((c->start - origin_ns) / period_ns) + 1) * period_ns;
  put(fd, ok, sizeof ok - 1);
  schedule(fd);
}
static void readable(int fd) {
  Connection *c = &at[fd]; char control[128]; struct iovec v = {c->in + c->held, REQUEST_BYTES - 1 - c->held};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t got = recvmsg(fd, &m, 0); ns received = now();
  if (got <= 0) { if (got < 0 && errno == EAGAIN) return; hang_up(fd); return; }
  for (struct cmsghdr *a = CMSG_FIRSTHDR(&m); a; a = CMSG_NXTHDR(&m, a))
    if (a->cmsg_level == SOL_SOCKET && a->cmsg_type == SCM_TIMESTAMPNS) {
      struct timespec t; memcpy(&t, CMSG_DATA(a), sizeof t); received = t.tv_sec * 1000000000LL + t.tv_nsec - offset_ns;
    }
  c->held += got; c->in[c->held] = 0;
  char *end = strstr(c->in, "\r\n\r\n");
  if (!end) return;
  char *length = strcasestr(c->in, "\r\ncontent-length:"); int size = length && length < end ? atoi(length + 17) : 0;
  if (c->held < end + 4 - c->in + size) return;
  if (!strncmp(c->in, "GET ", 4)) answer_get(fd, c->in + 4); else begin(fd, c->in, end + 4, received);
  c->held = 0;
}

/* -- the process ------------------------------------------------------------------------------------------ */
static void on_stop(int s) { (void)s; stopped = 1; }
static void write_truth(const char *path) {
  FILE *f = fopen(path, "w");
  for (size_t i = 0; f && i < n_all; i++) {
    Request *r = all[i];
    fprintf(f, "{\"kind\":\"request\",\"server\":\"fixed-rate\",\"request_id\":\"%s\",\"received_ns\":%ld,\"tokens\":%d,\"status\":200,"
      "\"ended\":\"%s\",\"events\":{\"sent_ns\":[", r->id, (long)r->received, r->done, r->done == r->tokens ? "complete" : "client_gone");
    for (int k = 0; k < r->done; k++) fprintf(f, k ? ",%ld" : "%ld", (long)r->sent[k]);
    fputs("],\"tokens\":[", f);
    for (int k = 0; k < r->done; k++) fputs(k ? ",1" : "1", f);
    fputs("],\"kind\":[", f);
    for (int k = 0; k < r->done; k++) fputs(k ? ",\"token\"" : "\"token\"", f);
    fputs("]}}\n", f);
  }
  if (f) fclose(f);
}
int main(int argc, char **argv) {
  if (argc != 11) { fprintf(stderr, "fixed-rate: 10 arguments needed, see the source\n"); return 2; }
  int port = atoi(argv[1]); ttft_ns = atof(argv[2]) * 1e6; spread_ns = atof(argv[3]) * 1e6;
  period_ns = 1e9 / atof(argv[4]); answer = atoi(argv[5]);
  jitter_ns = atof(argv[6]) * 1e6; burst = atoi(argv[7]); event_bytes = atoi(argv[8]); wire = argv[9];
  if (answer < 1 || answer > MAX_TOKENS || event_bytes < 0 || event_bytes > 60000) return 2;
  memset(pad, 'x', event_bytes); pad[event_bytes] = 0;
  struct rlimit files; getrlimit(RLIMIT_NOFILE, &files); files.rlim_cur = files.rlim_max; setrlimit(RLIMIT_NOFILE, &files);
  struct sigaction act = {.sa_handler = on_stop}; sigaction(SIGTERM, &act, NULL); sigaction(SIGINT, &act, NULL);
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one); /* several may share a port */
  setsockopt(listener, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
  if (bind(listener, (void *)&to, sizeof to) || listen(listener, 4096)) { perror("fixed-rate"); return 2; }
  socklen_t len = sizeof to; getsockname(listener, (void *)&to, &len);
  struct epoll_event e = {.events = EPOLLIN, .data.fd = listener}; epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
  take_offset(); origin_ns = now(); ns offset_at = origin_ns;
  printf("fixed-rate listening on http://127.0.0.1:%d\n", ntohs(to.sin_port)); fflush(stdout);
  while (!stopped) {
    struct epoll_event ready[256]; struct timespec wait = {1, 0};
    if (waiting) { ns left = at[heap[0]].due - now(); if (left < 0) left = 0; if (left < 1000000000LL) wait = (struct timespec){0, left}; }
    int n = epoll_pwait2(ep, ready, 256, &wait, NULL);
    for (int i = 0; i < n; i++) {
      int fd = ready[i].data.fd;
      if (fd != listener) { readable(fd); continue; }
      while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MAX_FDS) { close(fd); continue; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
        if (!at[fd].in) at[fd].in = malloc(REQUEST_BYTES);
        at[fd].held = 0; at[fd].now = NULL;
        e.data.fd = fd; epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
      }
    }
    while (waiting && at[heap[0]].due <= now()) { int fd = pop(); beat(fd); }
    if (now() - offset_at > 1000000000LL) { take_offset(); offset_at = now(); }
  }
  write_truth(argv[10]);
  printf("fixed-rate: %zu requests, %ld writes, %ld later than 1 ms, latest %.3f ms\n", n_all, writes, late_1ms, late_max / 1e6);
  return 0;
}
