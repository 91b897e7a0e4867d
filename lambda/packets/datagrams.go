package packets

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// acceptUDP tells the senders at one door apart.
func (k *doorkeeper) acceptUDP(l net.PacketConn) {
	senders := map[netip.AddrPort]*sender{}
	defer func() {
		for _, s := range senders {
			_ = s.Close()
		}
	}()
	buf := make([]byte, 1<<16)
	for {
		n, from, err := l.ReadFrom(buf)
		if err != nil {
			return
		}
		a := addrPort(from)
		if s := senders[a]; s != nil {
			s.receive(buf[:n])
			continue
		}
		s := &sender{door: l, remote: from, got: make(chan []byte, 256), done: make(chan struct{})}
		if k.admit(string(buf[:n]), greeting{s, bufio.NewReader(s)}) {
			senders[a] = s
		}
	}
}

// A sender is a net.Conn with one remote end of a door for UDP.
type sender struct {
	door   net.PacketConn
	remote net.Addr
	got    chan []byte
	rest   []byte
	once   sync.Once
	done   chan struct{}
}

// receive takes a datagram, and loses it when too many wait, as a socket does.
func (s *sender) receive(b []byte) {
	select {
	case s.got <- append([]byte(nil), b...):
	default:
	}
}

func (s *sender) Read(b []byte) (int, error) {
	if len(s.rest) == 0 {
		select {
		case s.rest = <-s.got:
		case <-s.done:
			return 0, io.EOF
		}
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *sender) Write(b []byte) (int, error) {
	select {
	case <-s.done:
		return 0, os.ErrClosed
	default:
		return s.door.WriteTo(b, s.remote)
	}
}

func (s *sender) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

func (s *sender) LocalAddr() net.Addr              { return s.door.LocalAddr() }
func (s *sender) RemoteAddr() net.Addr             { return s.remote }
func (s *sender) SetDeadline(time.Time) error      { return nil }
func (s *sender) SetReadDeadline(time.Time) error  { return nil }
func (s *sender) SetWriteDeadline(time.Time) error { return nil }

// forcedPackets closes a packet connection so that whoever waits on it gives up.
type forcedPackets struct{ net.PacketConn }

func (f forcedPackets) Close() error {
	_ = f.SetDeadline(time.Unix(1, 0)) // the end is the point, whatever it says
	return f.PacketConn.Close()
}
