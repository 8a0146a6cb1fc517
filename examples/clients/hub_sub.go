// go run hub_sub.go HOST PORT CHANNEL [FROM]      prints each message of a hub's channel as it comes
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
)

// frame copies the next message. io.EOF is the end between two frames, io.ErrUnexpectedEOF one inside a frame.
func frame(out io.Writer, hub io.Reader) error {
	header := make([]byte, 10)
	if _, err := io.ReadFull(hub, header); err != nil {
		return err
	}
	length, err := strconv.ParseUint(strings.TrimRight(string(header), " "), 10, 40)
	if err != nil || fmt.Sprintf("%-10d", length) != string(header) {
		return fmt.Errorf("not a length: %q", header)
	}
	if _, err = io.CopyN(out, hub, int64(length)); err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func main() {
	log.SetFlags(0)
	conn, err := net.Dial("tcp", net.JoinHostPort(os.Args[1], os.Args[2]))
	if err != nil {
		log.Fatal(err)
	}
	request := "SUBSCRIBE " + os.Args[3]
	if len(os.Args) > 4 {
		request += " from=" + os.Args[4]
	}
	fmt.Fprintf(conn, "%-10d%s", len(request), request)

	hub := bufio.NewReader(conn)
	var answer strings.Builder
	if err := frame(&answer, hub); err != nil || !strings.HasPrefix(answer.String(), "OK ") {
		log.Fatal("not subscribed: ", answer.String(), err)
	}
	for err = frame(os.Stdout, hub); err == nil; err = frame(os.Stdout, hub) {
		fmt.Println()
	}
	if err != io.EOF {
		log.Fatal(err)
	}
}
