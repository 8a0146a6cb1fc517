// Prints each message of a hub's channel as it comes: for an ESP32 with Arduino. These are yours to write:
#ifndef HUB
#define NETWORK "its name", "its password"
#define HUB "192.168.1.10", 10010
#define SUBSCRIBE "SUBSCRIBE ticks"
#endif
#include <WiFi.h>

WiFiClient hub;
char bytes[512];

void fail(const String &why) {
  log_e("%s", why.c_str());                       // is seen with the core's debug level "Error"
  ESP.restart();
}

// Waits for so many bytes. There are fewer only where the stream ends.
size_t take(size_t wanted) {
  size_t got = 0;
  while (got < wanted && (hub.available() || hub.connected())) {
    int more = hub.read((uint8_t *)bytes + got, wanted - got);
    if (more > 0) got += more;
    else delay(1);
  }
  return got;
}

// The length of the next message; -1 where the stream ends between two frames.
long long header() {
  char canonical[32];
  size_t got = take(10);
  if (got == 0) return -1;
  if (got < 10) fail("the stream ended inside a frame");
  bytes[10] = '\0';
  long long length = atoll(bytes);
  snprintf(canonical, sizeof canonical, "%-10lld", length);
  if (length < 0 || strcmp(bytes, canonical) != 0) fail("not a length");
  return length;
}

void setup() {
  Serial.begin(115200);
  WiFi.begin(NETWORK);
  while (WiFi.status() != WL_CONNECTED || !hub.connect(HUB)) delay(1000);
  String request = SUBSCRIBE;
  hub.printf("%-10u%s", (unsigned)request.length(), request.c_str());
  long long length = header();
  bool whole = length >= 0 && length < (long long)sizeof bytes && take(length) == (size_t)length;
  bytes[whole ? length : 0] = '\0';
  if (strncmp(bytes, "OK ", 3) != 0) fail(String("not subscribed: ") + bytes);
}

void loop() {
  long long left = header();
  if (left < 0) ESP.deepSleep(10000000);          // the hub has ended: begin again in 10 s
  while (left > 0) {
    size_t piece = left < (long long)sizeof bytes ? left : sizeof bytes;
    if (take(piece) < piece) fail("the stream ended inside a frame");
    Serial.write((uint8_t *)bytes, piece);
    left -= piece;
  }
  Serial.write('\n');
}
