package packets

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"tourniquet/lambda/packets/fabric"
	"tourniquet/lambda/simvpc/world"
)

// A Connection is an established connection, with both its ends.
type Connection struct {
	Flow world.Flow
	// Initiator and Responder are what the programs at its ends hold. The responder of
	// a ping is the host itself: it has none.
	Initiator, Responder net.Conn

	vpc     *VPC
	trace   *trace
	replies *bufio.Reader // of the responder, past the greeting
}

// A StoppedError says what stopped the packets of a connection to be made.
type StoppedError struct{ Reason fabric.Reason }

func (e *StoppedError) Error() string { return "stopped: " + e.Reason.String() }

// Connect opens a connection as the hosts at its ends would, and sends a greeting from
// the initiator. It gives up with a StoppedError as soon as one of its packets is
// stopped, and with ctx.
func (v *VPC) Connect(ctx context.Context, f world.Flow) (*Connection, error) {
	from, to, listen := v.ends(f)
	if f.Protocol == world.ICMP || f.Protocol == world.ICMPv6 {
		from, to, listen = netip.AddrPortFrom(from.Addr(), 0), netip.AddrPortFrom(to.Addr(), 0), netip.AddrPortFrom(listen.Addr(), 0)
	}
	c := &Connection{Flow: f, vpc: v, trace: &trace{
		protocol: int(f.Protocol), stopped: make(chan fabric.Reason, 1),
		initiator: [2]netip.AddrPort{from, to}, responder: [2]netip.AddrPort{listen, {}},
	}}
	v.traces.add(c.trace)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	defer close(watched)
	go func() {
		select {
		case reason := <-c.trace.stopped:
			cancel(&StoppedError{reason})
		case <-watched:
		}
	}()
	var err error
	switch f.Protocol {
	case world.TCP, world.UDP:
		err = c.open(ctx, from, to, listen)
	case world.ICMP, world.ICMPv6:
		err = c.ping(from, to)
	default:
		err = errors.New("hosts speak TCP, UDP and ICMP only")
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		return nil, fmt.Errorf("connecting %s: %w", f, err)
	}
	return c, nil
}

// open opens a connection of a protocol with ports.
func (c *Connection) open(ctx context.Context, from, to, listen netip.AddrPort) error {
	greeted, id, err := c.vpc.expect(door{int(c.Flow.Protocol), listen})
	if err != nil {
		return err
	}
	h, err := c.vpc.Host(from.Addr())
	if err != nil {
		return err
	}
	if c.Flow.Protocol == world.TCP {
		c.Initiator, err = h.DialTCP(ctx, from, to)
	} else {
		c.Initiator, err = h.DialUDP(from, to)
	}
	if err != nil {
		return err
	}
	c.vpc.closing(forced{c.Initiator})
	if _, err := fmt.Fprintf(c.Initiator, "%d\n", id); err != nil {
		return err
	}
	select {
	case g := <-greeted:
		c.Responder, c.replies = g.conn, g.rest
	case <-ctx.Done():
		_ = forced{c.Initiator}.Close()
		return ctx.Err()
	}
	c.trace.mu.Lock()
	defer c.trace.mu.Unlock()
	c.trace.responder[1] = addrPort(c.Responder.RemoteAddr())
	return nil
}

// ping opens an echo.
func (c *Connection) ping(from, to netip.AddrPort) error {
	h, err := c.vpc.Host(from.Addr())
	if err != nil {
		return err
	}
	if _, err := c.vpc.Host(to.Addr()); c.vpc.outside(to.Addr()) && err != nil {
		return err
	}
	if c.Initiator, err = h.DialPing(from, to.Addr()); err != nil {
		return err
	}
	c.vpc.closing(forced{c.Initiator})
	return nil
}

// outside reports whether an address is none of the world's.
func (v *VPC) outside(a netip.Addr) bool { return v.live.source.World().Holder(a) == nil }

// Count is what has arrived of the connection since it was begun.
func (c *Connection) Count() Count { return c.trace.counted() }

// Close ends the connection at both ends.
func (c *Connection) Close() {
	_ = forced{c.Initiator}.Close()
	if c.Responder != nil {
		_ = forced{c.Responder}.Close()
	}
}

// forced closes a connection so that whoever waits on it gives up.
type forced struct{ net.Conn }

func (f forced) Close() error {
	_ = f.SetDeadline(time.Unix(1, 0)) // the end is the point, whatever it says
	return f.Conn.Close()
}

func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		return unmapped(a.AddrPort())
	case *net.UDPAddr:
		return unmapped(a.AddrPort())
	default:
		return netip.AddrPort{}
	}
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// A door is where a host listens.
type door struct {
	protocol int
	at       netip.AddrPort
}

// A greeting is a connection of which the responder has read the first line.
type greeting struct {
	conn net.Conn
	rest *bufio.Reader
}

// A doorkeeper hands the connections that come in at a door to those who expect them,
// by the number in their greeting.
type doorkeeper struct {
	vpc     *VPC
	waiting map[int]chan greeting
}

// expect opens a door, if it isn't open, and waits there for a greeting.
func (v *VPC) expect(d door) (<-chan greeting, int, error) {
	h, err := v.Host(d.at.Addr())
	if err != nil {
		return nil, 0, err
	}
	v.mu.Lock()
	v.lastID++
	id, k := v.lastID, v.doors[d]
	greeted := make(chan greeting, 1)
	if k != nil {
		k.waiting[id] = greeted
		v.mu.Unlock()
		return greeted, id, nil
	}
	k = &doorkeeper{v, map[int]chan greeting{id: greeted}}
	v.doors[d] = k
	v.mu.Unlock()
	if d.protocol == fabric.TCP {
		l, err := h.ListenTCP(d.at)
		if err != nil {
			return nil, 0, err
		}
		v.closing(l)
		v.running.Go(func() { k.acceptTCP(l) })
		return greeted, id, nil
	}
	l, err := h.ListenUDP(d.at)
	if err != nil {
		return nil, 0, err
	}
	v.closing(forcedPackets{l})
	v.running.Go(func() { k.acceptUDP(l) })
	return greeted, id, nil
}

func (k *doorkeeper) acceptTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		k.vpc.closing(forced{c})
		k.vpc.running.Go(func() {
			r := bufio.NewReader(c)
			line, err := r.ReadString('\n')
			if err != nil || !k.admit(line, greeting{c, r}) {
				_ = c.Close()
			}
		})
	}
}

// admit hands over a connection. It reports false when nobody expects it.
func (k *doorkeeper) admit(line string, g greeting) bool {
	id, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return false
	}
	k.vpc.mu.Lock()
	waiting := k.waiting[id]
	delete(k.waiting, id)
	k.vpc.mu.Unlock()
	if waiting == nil {
		return false
	}
	waiting <- g
	return true
}
