// Stores each line that comes over Serial once, also if the hub is killed: for an ESP32 with Arduino. These are yours to write:
#ifndef HUB
#define NETWORK "its name", "its password"
#define HUB "192.168.1.10", 10010
#define PUBLISH "PUBLISH ticks producer=meter7"
#endif
#include <WiFi.h>

WiFiClient hub;
long number = -1;                                 // of the next message: the hub says where to go on

void fail(const String &why) {
  log_e("%s", why.c_str());                       // is seen with the core's debug level "Error"
  ESP.restart();
}

void send(const String &message) {
  char header[11];
  snprintf(header, sizeof header, "%-10u", (unsigned)message.length());
  String frame = String(header) + message;        // in one piece: TCP may hold a second one back
  hub.write((const uint8_t *)frame.c_str(), frame.length());
}

// The number after this in the hub's next line; -1 if the hub has gone, or says why it cannot take anything now.
long heard(const char *key) {
  String frame;
  unsigned long start = millis();
  while (frame.length() < 10 || frame.length() < 10 + (unsigned)frame.toInt()) {
    int c = hub.read();
    if (c >= 0) frame += (char)c;
    else if (hub.connected() && millis() - start < 10000) delay(1);
    else return -1;
  }
  String line = frame.substring(10);
  if (line.indexOf(key) >= 0) return line.substring(line.indexOf(key) + strlen(key)).toInt();
  for (const char *passing : {"BUSY", "FULL", "SHUTDOWN", "STORAGE", "TIMEOUT"})
    if (line.startsWith(String("ERROR ") + passing + " ")) return -1;
  fail(line);
  return -1;
}

void setup() {
  Serial.begin(115200);
  Serial.setTimeout(60000);                       // a line may come slowly
  WiFi.begin(NETWORK);
}

void loop() {
  if (!Serial.available()) return;
  String message = Serial.readStringUntil('\n');
  long stored = number;
  while (stored == number) {
    if (hub.connected()) {
      send(message);
      stored = heard("ACK ");
    } else if (hub.connect(HUB)) {
      send(PUBLISH);
      stored = heard("next=");
      if (number < 0) number = stored;
    }
    if (stored < 0) {                             // once more: what the hub has is not sent again
      hub.stop();
      delay(1000);
      stored = number;
    } else if (stored != number && stored != number + 1) fail("the hub has other messages of this producer");
  }
  number = stored;
}
