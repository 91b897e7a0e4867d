package packets

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tourniquet/lambda/packets/fabric"
	"tourniquet/lambda/simvpc/world"
)

// How long the kernel judge waits for what it hopes for, and for what it doesn't.
const (
	hoped   = 6 * time.Second
	unhoped = 200 * time.Millisecond
	opening = 500 * time.Millisecond
)

// A wire is an established flow of real sockets.
type wire struct {
	sendForward, sendBackward func(token string) error
	seen                      [2]*heard // at the responder, at the initiator
	number                    int
	opening                   time.Duration // how long it may take to come about
}

// heard collects what arrives at one end.
type heard struct {
	mu   sync.Mutex
	all  []string
	more chan struct{}
}

func newHeard() *heard { return &heard{more: make(chan struct{}, 1)} }

func (h *heard) add(token string) {
	h.mu.Lock()
	h.all = append(h.all, token)
	h.mu.Unlock()
	select {
	case h.more <- struct{}{}:
	default:
	}
}

// await waits for a token.
func (h *heard) await(token string, d time.Duration) bool {
	timeout := time.After(d)
	for {
		h.mu.Lock()
		has := slices.Contains(h.all, token)
		h.mu.Unlock()
		if has {
			return true
		}
		select {
		case <-h.more:
		case <-timeout:
			return false
		}
	}
}

func (k *aKernel) exchange(name string, hope bool) (forward, backward bool) {
	f := k.flows[name]
	f.number++
	token := fmt.Sprint(f.number)
	patience := unhoped
	if hope {
		patience = hoped
	}
	_ = f.sendForward(token)   // a full or reset connection carries nothing: it isn't heard
	if f.sendBackward == nil { // a ping: the kernel answers what arrives
		forward = f.seen[0].await(token, patience)
		return forward, forward && f.seen[1].await(token, patience)
	}
	_ = f.sendBackward(token)
	forward = f.seen[0].await(token, patience)
	return forward, f.seen[1].await(token, patience)
}

func (k *aKernel) open(name string, f world.Flow, hope bool) bool {
	from, to, listen := k.vpc.ends(f)
	if nat := k.vpc.live.routes.nats[k.subnetOf(from.Addr())]; nat == nil && f.Via == viaNAT {
		k.t.Fatalf("%s: no NAT gateway", f)
	}
	wired := &wire{seen: [2]*heard{newHeard(), newHeard()}, opening: opening}
	if hope {
		wired.opening = hoped
	}
	k.flows[name] = wired
	var err error
	switch f.Protocol {
	case world.TCP:
		err = k.openTCP(wired, from, to, listen)
	case world.UDP:
		err = k.openUDP(wired, from, to, listen)
	case world.ICMP:
		err = k.openPing(wired, from, to, listen)
	default:
		err = errors.New("not opened here")
	}
	if err != nil && !unheard(err) {
		k.t.Fatalf("%s: %v", f, err)
	}
	return err == nil
}

// unheard reports whether an error means that packets don't get through.
func unheard(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, errUnheard) || errors.Is(err, unix.EPERM)
}

func (k *aKernel) subnetOf(a netip.Addr) string {
	if n := k.world.World().Holder(a); n != nil {
		return n.Subnet
	}
	return ""
}

var errUnheard = errors.New("the first packet does not arrive")

// A tcpDoor is a listener with what it has accepted.
type tcpDoor struct {
	net.Listener
	accepted chan net.Conn
}

// listenTCP opens a door, once.
func (k *aKernel) listenTCP(at netip.AddrPort) (*tcpDoor, error) {
	if d := k.tcp[at]; d != nil {
		return d, nil
	}
	d := &tcpDoor{accepted: make(chan net.Conn, 10)}
	err := k.inside(k.home(at.Addr()), func() (err error) {
		d.Listener, err = net.Listen("tcp", at.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	k.tcp[at] = d
	k.closers = append(k.closers, d.Close)
	go func() {
		for {
			c, err := d.Accept()
			if err != nil {
				return
			}
			d.accepted <- c
		}
	}()
	return d, nil
}

func (k *aKernel) openTCP(f *wire, from, to, listen netip.AddrPort) error {
	d, err := k.listenTCP(listen)
	if err != nil {
		return err
	}
	var c net.Conn
	err = k.inside(k.home(from.Addr()), func() (err error) {
		dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(from), Timeout: f.opening, KeepAlive: -1}
		c, err = dialer.DialContext(context.Background(), "tcp", to.String())
		return err
	})
	if err != nil {
		return err
	}
	k.closers = append(k.closers, c.Close)
	select {
	case other := <-d.accepted:
		k.closers = append(k.closers, other.Close)
		f.lines(c, other)
		return nil
	case <-time.After(f.opening):
		return errUnheard
	}
}

// lines sends tokens as lines over both ends of a connection.
func (f *wire) lines(initiator, responder net.Conn) {
	say := func(c net.Conn) func(string) error {
		return func(token string) error { _, err := fmt.Fprintln(c, token); return err }
	}
	hear := func(c net.Conn, h *heard) {
		for lines := bufio.NewScanner(c); lines.Scan(); {
			h.add(lines.Text())
		}
	}
	f.sendForward, f.sendBackward = say(initiator), say(responder)
	go hear(responder, f.seen[0])
	go hear(initiator, f.seen[1])
}

// A udpDoor is a socket that tells flows apart by what they say: "FLOW TOKEN".
type udpDoor struct {
	*net.UDPConn
	mu      sync.Mutex
	flows   map[string]*wire
	remotes map[string]*net.UDPAddr
}

// listenUDP opens a door, once.
func (k *aKernel) listenUDP(at netip.AddrPort) (*udpDoor, error) {
	if d := k.udp[at]; d != nil {
		return d, nil
	}
	d := &udpDoor{flows: map[string]*wire{}, remotes: map[string]*net.UDPAddr{}}
	err := k.inside(k.home(at.Addr()), func() (err error) {
		d.UDPConn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		return nil, err
	}
	k.udp[at] = d
	k.closers = append(k.closers, d.Close)
	go d.read()
	return d, nil
}

func (d *udpDoor) read() {
	buf := make([]byte, 100)
	for {
		n, from, err := d.ReadFromUDP(buf)
		if err != nil {
			return
		}
		id, token, _ := strings.Cut(string(buf[:n]), " ")
		d.mu.Lock()
		f := d.flows[id]
		d.remotes[id] = from
		d.mu.Unlock()
		if f != nil {
			f.seen[0].add(token)
		}
	}
}

func (k *aKernel) openUDP(f *wire, from, to, listen netip.AddrPort) error {
	d, err := k.listenUDP(listen)
	if err != nil {
		return err
	}
	id := from.String()
	d.mu.Lock()
	d.flows[id] = f
	d.mu.Unlock()
	var c *net.UDPConn
	if err := k.inside(k.home(from.Addr()), func() (err error) {
		c, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(from), net.UDPAddrFromAddrPort(to))
		return err
	}); err != nil {
		return err
	}
	k.closers = append(k.closers, c.Close)
	go func() {
		buf := make([]byte, 100)
		for {
			n, err := c.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			f.seen[1].add(string(buf[:n]))
		}
	}()
	f.sendForward = func(token string) error { _, err := c.Write([]byte(id + " " + token)); return err }
	f.sendBackward = func(token string) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		_, err := d.WriteToUDP([]byte(token), d.remotes[id])
		return err
	}
	return f.first()
}

// first sends the packet that opens a flow without a handshake.
func (f *wire) first() error {
	if err := f.sendForward("first"); err != nil {
		return err
	}
	if !f.seen[0].await("first", f.opening) {
		return errUnheard
	}
	return nil
}

func (k *aKernel) openPing(f *wire, from, to, listen netip.AddrPort) error {
	raw := func(at netip.Addr, kind byte, h *heard) (c *net.IPConn, err error) {
		err = k.inside(k.home(at), func() error {
			c, err = net.ListenIP("ip4:icmp", &net.IPAddr{IP: at.AsSlice()})
			return err
		})
		if err != nil {
			return nil, err
		}
		k.closers = append(k.closers, c.Close)
		go func() {
			buf := make([]byte, 200)
			for {
				n, _, err := c.ReadFromIP(buf)
				if err != nil {
					return
				}
				if n >= 8 && buf[0] == kind {
					h.add(string(buf[8:n]))
				}
			}
		}()
		return c, nil
	}
	if _, err := raw(listen.Addr(), 8, f.seen[0]); err != nil {
		return err
	}
	c, err := raw(from.Addr(), 0, f.seen[1])
	if err != nil {
		return err
	}
	f.sendForward = func(token string) error {
		packet := fabric.Probe{Protocol: fabric.ICMP, From: from, To: to, Kind: 8, Echo: 7, Payload: []byte(token)}.Packet()
		_, err := c.WriteToIP(packet[binary.Size([20]byte{}):], &net.IPAddr{IP: to.Addr().AsSlice()})
		return err
	}
	return f.first()
}
