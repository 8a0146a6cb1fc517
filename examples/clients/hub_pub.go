// go run hub_pub.go HOST PORT CHANNEL      publishes each line of its input to a hub, and ends when all is stored
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
)

func frame(message string) string { return fmt.Sprintf("%-10d%s", len(message), message) }

func main() {
	log.SetFlags(0)
	conn, err := net.Dial("tcp", net.JoinHostPort(os.Args[1], os.Args[2]))
	if err != nil {
		log.Fatal(err)
	}
	hub, input, count := bufio.NewWriter(conn), bufio.NewReader(os.Stdin), 0
	hub.WriteString(frame("PUBLISH " + os.Args[3] + " acks=none")) // one acknowledgement, at the end
	for err == nil {
		var line string
		if line, err = input.ReadString('\n'); line != "" {
			hub.WriteString(frame(strings.TrimSuffix(line, "\n")))
			count++
		}
		if input.Buffered() == 0 {
			hub.Flush()
		}
	}
	hub.Flush()
	conn.(*net.TCPConn).CloseWrite() // what the hub says is still read
	answers, _ := io.ReadAll(conn)
	if !strings.HasSuffix(string(answers), frame(fmt.Sprint("ACK ", count))) {
		log.Fatalf("not all was stored: %s", answers)
	}
}
