//go:build linux

package host_test

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets this binary be the processes of a world: the shell, the agent, the
// servers.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "serve":
			serve(os.Args[2:])
		case "talk":
			talk(os.Args[2:])
		case "crowd":
			crowd(os.Args[2:])
		}
	}
	os.Exit(m.Run())
}

// serve echoes whatever comes, at each "network address".
func serve(addresses []string) {
	for _, a := range addresses {
		network, address, _ := strings.Cut(a, " ")
		if network == "udp" {
			conn, err := net.ListenPacket(network, address)
			if err != nil {
				panic(err)
			}
			go func() {
				b := make([]byte, 64)
				for {
					if n, to, err := conn.ReadFrom(b); err == nil {
						conn.WriteTo(b[:n], to) //nolint:errcheck // a lost datagram
					}
				}
			}()
			continue
		}
		l, err := net.Listen(network, address)
		if err != nil {
			panic(err)
		}
		go func() {
			for {
				if conn, err := l.Accept(); err == nil {
					go echo(conn)
				}
			}
		}()
	}
	os.Stdout.WriteString("ready\n") //nolint:errcheck // the test waits for it in vain, then
	select {}
}

func echo(conn net.Conn) {
	defer conn.Close()
	b := make([]byte, 64)
	for {
		n, err := conn.Read(b)
		if err != nil {
			return
		}
		if _, err := conn.Write(b[:n]); err != nil {
			return
		}
	}
}

// talk sends a byte every few milliseconds to "network address" and counts, in a
// file, what comes back and how often it connected. Its arguments are the target, the
// file, the interval, "again" or "once", and the name to take.
func talk(args []string) {
	network, address, _ := strings.Cut(args[0], " ")
	every, err := time.ParseDuration(args[2])
	if err != nil {
		panic(err)
	}
	if args[4] != "" {
		if err := os.WriteFile("/proc/self/comm", []byte(args[4]), 0o600); err != nil {
			panic(err)
		}
	}
	var count counter
	file, err := os.Create(args[1])
	if err != nil {
		panic(err)
	}
	for {
		if conn, err := dial(network, address); err == nil {
			count.connections++
			count.write(file)
			go send(conn, every)
			b := make([]byte, 64)
			for {
				n, err := conn.Read(b)
				if err != nil {
					break
				}
				count.bytes += uint64(n)
				count.write(file)
			}
			conn.Close()
		}
		if args[3] == "once" && count.connections > 0 {
			select {}
		}
		time.Sleep(every)
	}
}

// dial connects; the network "udp:68" is UDP from that port.
func dial(network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 300 * time.Millisecond}
	network, port, bound := strings.Cut(network, ":")
	if bound {
		n, err := strconv.Atoi(port)
		if err != nil {
			panic(err)
		}
		d.LocalAddr = &net.UDPAddr{Port: n}
		d.Control = func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) {
				syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) //nolint:errcheck // dialling fails, then
			})
		}
	}
	return d.Dial(network, address)
}

// send goes on for as long as the connection is there, whatever happens to a packet. The
// kernel tells one caller that it has ended a UDP socket. If that is this one, the reader
// would wait for ever.
func send(conn net.Conn, every time.Duration) {
	for {
		_, err := conn.Write([]byte("x"))
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, syscall.EDESTADDRREQ) {
			conn.Close()
			return
		}
		time.Sleep(every)
	}
}

// A counter keeps two numbers in a file, for the test to read.
type counter struct {
	bytes, connections uint64
}

func (c counter) write(f *os.File) {
	b := binary.LittleEndian.AppendUint64(nil, c.bytes)
	if _, err := f.WriteAt(binary.LittleEndian.AppendUint64(b, c.connections), 0); err != nil {
		panic(err)
	}
}

// crowd opens as many connections as it is told to an address, and keeps them.
func crowd(args []string) {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		panic(err)
	}
	var all []net.Conn
	for len(all) < n {
		conn, err := net.DialTimeout("tcp", args[0], time.Second)
		if err != nil {
			panic(err)
		}
		all = append(all, conn)
	}
	os.Stdout.WriteString("ready\n") //nolint:errcheck // the test waits for it in vain, then
	select {}
}
