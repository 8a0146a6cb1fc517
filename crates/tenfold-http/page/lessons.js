// Ten lines that subscribe to a channel, in four languages.

/**
 * @param {string} channel
 * @param {string} host
 * @returns {[string, string][]}
 */
export function lessons(channel, host) {
  const door = `${location.protocol}//${location.host}`;
  return [
    ["shell", `tenfold sub ${channel} -s ${host}:10010\ncurl -N ${door}/channels/${channel}\ncurl -H 'Tenfold: 1' -d 'hello' ${door}/channels/${channel}`],
    [
      "Python",
      `import socket

stream = socket.create_connection(("${host}", 10010)).makefile("rwb")
request = b"SUBSCRIBE ${channel} from=next"
stream.write(b"%-10d%s" % (len(request), request))
stream.flush()
while header := stream.read(10):
    print(stream.read(int(header)))`,
    ],
    [
      "JavaScript",
      `// For a page that the hub lets in: serve --http-origin ORIGIN
const events = new EventSource("${door}/channels/${channel}?as=sse");
events.onmessage = ({ data }) => console.log(data);
events.addEventListener("gap", ({ data }) => console.warn("messages are missing", data));`,
    ],
    [
      "Arduino",
      `#include <WiFi.h>
WiFiClient hub;

void say(const String &text) { hub.printf("%-10u%s", text.length(), text.c_str()); }

void setup() {
  WiFi.begin("NETWORK", "PASSWORD");
  while (WiFi.status() != WL_CONNECTED) delay(100);
  if (hub.connect("${host}", 10010)) say("PUBLISH ${channel}");
}

void loop() { say(String(analogRead(A0))); delay(1000); }`,
    ],
  ];
}
