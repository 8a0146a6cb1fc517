// Runs a sketch as a board does: c++ -DSKETCH='"x.ino"' -DHUB=... main.cpp
#include <csignal>

#include "WiFi.h"

char **arguments;

#include SKETCH

int main(int, char **argv) {
  arguments = argv;
  signal(SIGPIPE, SIG_IGN);                       // a board has no signals
  setup();
  for (;;) loop();
}
