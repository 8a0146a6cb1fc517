// Publishes each line that comes over Serial, and does not ask whether it is stored: for an ESP32 with Arduino. These are yours to write:
#ifndef HUB
#define NETWORK "its name", "its password"
#define HUB "192.168.1.10", 10010
#define PUBLISH "PUBLISH ticks"
#endif
#include <WiFi.h>

WiFiClient hub;

void send(const String &message) {
  char header[11];
  snprintf(header, sizeof header, "%-10u", (unsigned)message.length());
  String frame = String(header) + message;        // in one piece: TCP may hold a second one back
  hub.write((const uint8_t *)frame.c_str(), frame.length());
}

// The hub's next line.
String heard() {
  String frame;
  while (frame.length() < 10 || frame.length() < 10 + (unsigned)frame.toInt()) {
    int c = hub.read();
    if (c >= 0) frame += (char)c;
    else if (hub.connected()) delay(1);
    else return "the hub has gone";
  }
  return frame.substring(10);
}

void fail(const String &why) {
  log_e("%s", why.c_str());                       // is seen with the core's debug level "Error"
  ESP.restart();
}

void setup() {
  Serial.begin(115200);
  Serial.setTimeout(60000);                       // a line may come slowly
  WiFi.begin(NETWORK);
  while (WiFi.status() != WL_CONNECTED || !hub.connect(HUB)) delay(1000);
  send(String(PUBLISH) + " acks=none");
  String answer = heard();
  if (!answer.startsWith("OK ")) fail(answer);
}

void loop() {
  if (hub.available() || !hub.connected()) fail(heard());  // now it says only why it ends
  if (Serial.available()) send(Serial.readStringUntil('\n'));
}
