// As much of Arduino and of the ESP32's network as the sketches under examples/clients/arduino use, on this machine: the
// sockets of the system, and its standard streams in place of Serial.
#pragma once

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

// What the program was started with: HUB and the requests are made of it.
extern char **arguments;

#define log_e(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr))

inline void delay(unsigned long milliseconds) { poll(nullptr, 0, int(milliseconds)); }

inline unsigned long millis() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

class String {
public:
  String(const char *text = "") : bytes(text) {}
  String(std::string bytes) : bytes(std::move(bytes)) {}
  unsigned int length() const { return bytes.size(); }
  const char *c_str() const { return bytes.c_str(); }
  String &operator+=(char c) { bytes += c; return *this; }
  String operator+(const String &more) const { return bytes + more.bytes; }
  bool startsWith(const String &start) const { return bytes.compare(0, start.length(), start.bytes) == 0; }
  int indexOf(const char *text) const { return int(bytes.find(text)); }
  String substring(unsigned int from) const { return from < bytes.size() ? bytes.substr(from) : ""; }
  long toInt() const { return atol(c_str()); }

private:
  std::string bytes;
};

inline void write_all(int fd, const uint8_t *bytes, size_t size) {
  while (size > 0) {
    ssize_t written = ::write(fd, bytes, size);
    if (written < 0) return;
    bytes += written;
    size -= written;
  }
}

// A board ends neither of these ways: it begins again. Here the program ends, well or not.
struct Board {
  [[noreturn]] void restart() { exit(1); }
  [[noreturn]] void deepSleep(uint64_t) { exit(0); }
};
inline Board ESP;

struct StandardStreams {
  void begin(unsigned long) {}
  void setTimeout(unsigned long) {}
  size_t write(const uint8_t *bytes, size_t size) { write_all(1, bytes, size); return size; }
  size_t write(char c) { return write(reinterpret_cast<uint8_t *>(&c), 1); }

  // Waits for input. On a board there is always more to come; here the program ends with its input.
  int available() {
    int c = getchar();
    if (c == EOF) exit(0);
    ungetc(c, stdin);
    return 1;
  }

  String readStringUntil(char end) {
    std::string line;
    for (int c; (c = getchar()) != EOF && c != end;) line += char(c);
    return line;
  }
};
inline StandardStreams Serial;

#define WL_CONNECTED 3

struct Network {
  void begin(const char *, const char *) {}
  int status() { return WL_CONNECTED; }
};
inline Network WiFi;

class WiFiClient {
public:
  int connect(const char *host, uint16_t port) {
    stop();
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = inet_addr(host);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, reinterpret_cast<sockaddr *>(&to), sizeof to) == 0) return 1;
    stop();
    return 0;
  }

  void stop() {
    if (fd >= 0) close(fd);
    fd = -1;
  }

  // As on a board: neither of these waits, and there is a connection as long as there is something to read.
  int available() { return peek() > 0; }
  bool connected() { return peek() > 0 || waiting; }

  int read(uint8_t *bytes, size_t size) {
    ssize_t got = fd < 0 ? -1 : recv(fd, bytes, size, MSG_DONTWAIT);
    return got > 0 ? int(got) : -1;
  }

  int read() {
    uint8_t byte;
    return read(&byte, 1) == 1 ? byte : -1;
  }

  size_t write(const uint8_t *bytes, size_t size) { write_all(fd, bytes, size); return size; }

  __attribute__((format(printf, 2, 3))) size_t printf(const char *format, ...) {
    char text[4200];
    va_list values;
    va_start(values, format);
    int size = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    return write(reinterpret_cast<uint8_t *>(text), size < int(sizeof text) ? size : sizeof text - 1);
  }

private:
  ssize_t peek() {
    char byte;
    ssize_t got = fd < 0 ? 0 : recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    waiting = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    return got;
  }

  int fd = -1;
  bool waiting = false;
};
