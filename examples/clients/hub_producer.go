// go run hub_producer.go HOST PORT CHANNEL PRODUCER      stores each line of its input once, also if the hub is killed, or this is run again with the same input
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	count   = regexp.MustCompile(`^(?:OK .*next=|ACK )(\d+)`)
	passing = regexp.MustCompile(`^ERROR (BUSY|FULL|SHUTDOWN|STORAGE|TIMEOUT) `)
)

// ask sends a frame, and gives back how many messages the hub has, as it says then.
func ask(hub net.Conn, message string) (int, error) {
	hub.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(hub, "%-10d%s", len(message), message)
	header := make([]byte, 10)
	if _, err := io.ReadFull(hub, header); err != nil {
		return 0, err
	}
	length, err := strconv.ParseUint(strings.TrimRight(string(header), " "), 10, 12)
	if err != nil {
		log.Fatal(err)
	}
	line := make([]byte, length)
	if _, err := io.ReadFull(hub, line); err != nil {
		return 0, err
	}
	if found := count.FindSubmatch(line); found != nil {
		return strconv.Atoi(string(found[1]))
	}
	if !passing.Match(line) {
		log.Fatalf("%s", line)
	}
	return 0, fmt.Errorf("%s", line)
}

func main() {
	address, request := net.JoinHostPort(os.Args[1], os.Args[2]), "PUBLISH "+os.Args[3]+" producer="+os.Args[4]
	input := bufio.NewReader(os.Stdin)
	stored := -1 // how many messages the hub has: nobody has asked it yet
	var hub net.Conn
	for number := 0; ; number++ {
		line, err := input.ReadString('\n')
		if line == "" {
			return
		}
		for stored <= number {
			next := stored
			if hub != nil {
				next, err = ask(hub, strings.TrimSuffix(line, "\n"))
			} else if hub, err = net.Dial("tcp", address); err == nil {
				next, err = ask(hub, request)
			}
			if err != nil { // once more: what the hub has is not sent again
				log.Print(err)
				hub = nil
				time.Sleep(time.Second)
			} else if stored >= 0 && (next < stored || next > number+1) {
				log.Fatal("the hub has other messages of this producer")
			} else {
				stored = next
			}
		}
	}
}
