package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// redis is the address of a server that keeps the names in a list.
type redis string

func (r redis) add(name string) error {
	_, err := r.ask("RPUSH", "guestbook", name)
	return err
}

func (r redis) all() ([]string, error) { return r.ask("LRANGE", "guestbook", "0", "-1") }

// ask sends one command and reads its answer.
func (r redis) ask(words ...string) ([]string, error) {
	conn, err := net.Dial("tcp", string(r))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	fmt.Fprintf(conn, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(w), w)
	}
	return answer(bufio.NewReader(conn))
}

func answer(r *bufio.Reader) ([]string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, rest := line[0], strings.TrimSpace(line[1:])
	switch kind {
	case '-':
		return nil, fmt.Errorf("redis: %s", rest)
	case '+', ':':
		return []string{rest}, nil
	}
	n, err := strconv.Atoi(rest)
	if err != nil || n < 0 {
		return nil, err
	}
	if kind == '$' {
		text := make([]byte, n+2)
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, err
		}
		return []string{string(text[:n])}, nil
	}
	var all []string
	for range n {
		item, err := answer(r)
		if err != nil {
			return nil, err
		}
		all = append(all, item...)
	}
	return all, nil
}
