// Package host is a machine on the fabric: gVisor's TCP/IP stack with a network
// card for each of its interfaces. What connects, listens and pings here are real
// TCP, UDP and ICMP, with handshakes, checksums and retransmission; only the cable
// is ours.
package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/log"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"tourniquet/lambda/packets/fabric"
)

const (
	mtu   = 1500 // bytes
	queue = 4096 // packets that a card holds before it drops the next
)

// A Host is a machine with a TCP/IP stack. Make one with New.
type Host struct {
	name  string
	stack *stack.Stack
	cards []*card
}

// A card is one network interface.
type card struct {
	link *channel.Endpoint
	port *fabric.Port
	stop context.CancelFunc
	done sync.WaitGroup
}

// quiet keeps gVisor from logging packets that it drops: what becomes of packets is the
// fabric's to tell.
var quiet = sync.OnceFunc(func() { log.SetLevel(log.Warning) })

// New plugs a host into the fabric, with a network card for each list of addresses.
func New(f *fabric.Fabric, clock tcpip.Clock, name string, cards ...[]netip.Addr) (*Host, error) {
	quiet()
	h := &Host{name: name, stack: stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
		Clock:              clock,
	})}
	sack := tcpip.TCPSACKEnabled(true)
	if err := h.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &sack); err != nil {
		return nil, fmt.Errorf("making host %s: %s", name, err)
	}
	for i, addrs := range cards {
		if err := h.plug(f, tcpip.NICID(i+1), addrs); err != nil {
			h.Close()
			return nil, fmt.Errorf("making host %s: %w", name, err)
		}
	}
	return h, nil
}

// plug adds a card.
func (h *Host) plug(f *fabric.Fabric, id tcpip.NICID, addrs []netip.Addr) error {
	c := &card{link: channel.New(queue, mtu, "")}
	if err := h.stack.CreateNIC(id, c.link); err != nil {
		return errors.New(err.String())
	}
	for _, a := range addrs {
		bound := tcpip.ProtocolAddress{Protocol: network(a), AddressWithPrefix: tcpip.AddrFromSlice(a.AsSlice()).WithPrefix()}
		if err := h.stack.AddProtocolAddress(id, bound, stack.AddressProperties{}); err != nil {
			return errors.New(err.String())
		}
	}
	h.stack.AddRoute(tcpip.Route{Destination: header.IPv4EmptySubnet, NIC: id})
	h.stack.AddRoute(tcpip.Route{Destination: header.IPv6EmptySubnet, NIC: id})
	port, err := f.Attach(c.receive, addrs...)
	if err != nil {
		return err
	}
	c.port = port
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.done.Go(func() { c.send(ctx) })
	h.cards = append(h.cards, c)
	return nil
}

// receive takes a packet from the fabric.
func (c *card) receive(raw []byte) {
	version := header.IPv4ProtocolNumber
	if header.IPVersion(raw) == header.IPv6Version {
		version = header.IPv6ProtocolNumber
	}
	p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(raw)})
	c.link.InjectInbound(version, p)
	p.DecRef()
}

// send hands the stack's packets to the fabric, until the host is closed.
func (c *card) send(ctx context.Context) {
	for {
		p := c.link.ReadContext(ctx)
		if p == nil {
			return
		}
		view := p.ToView()
		raw := append([]byte(nil), view.AsSlice()...)
		view.Release()
		p.DecRef()
		c.port.Send(raw)
	}
}

// Close unplugs the host and ends its connections.
func (h *Host) Close() {
	for _, c := range h.cards {
		c.port.Detach()
	}
	h.stack.Close()
	for _, c := range h.cards {
		c.stop()
		c.done.Wait()
		c.link.Close()
	}
	h.stack.Wait()
}

func network(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

func full(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{Addr: tcpip.AddrFromSlice(a.Addr().AsSlice()), Port: a.Port()}
}

// DialTCP opens a TCP connection from an address of the host; port 0 is any. It ends
// early with ctx. Like ListenTCP it shares its port, so that one address and port can
// speak to several, and listen as well.
func (h *Host) DialTCP(ctx context.Context, from, to netip.AddrPort) (net.Conn, error) {
	c, err := h.dialTCP(ctx, from, to)
	if err != nil {
		return nil, fmt.Errorf("connecting %s to %s: %w", from, to, err)
	}
	return c, nil
}

func (h *Host) dialTCP(ctx context.Context, from, to netip.AddrPort) (net.Conn, error) {
	var wq waiter.Queue
	ep, err := h.bound(&wq, from)
	if err != nil {
		return nil, err
	}
	entry, writable := waiter.NewChannelEntry(waiter.WritableEvents)
	wq.EventRegister(&entry)
	defer wq.EventUnregister(&entry)
	failed := ep.Connect(full(to))
	if _, started := failed.(*tcpip.ErrConnectStarted); started {
		select {
		case <-writable:
			failed = ep.LastError()
		case <-ctx.Done():
			ep.Close()
			return nil, ctx.Err()
		}
	}
	if failed != nil {
		ep.Close()
		return nil, errors.New(failed.String())
	}
	return gonet.NewTCPConn(&wq, ep), nil
}

// bound is a TCP endpoint that shares its address and port.
func (h *Host) bound(wq *waiter.Queue, at netip.AddrPort) (tcpip.Endpoint, error) {
	ep, err := h.stack.NewEndpoint(tcp.ProtocolNumber, network(at.Addr()), wq)
	if err != nil {
		return nil, errors.New(err.String())
	}
	ep.SocketOptions().SetReuseAddress(true)
	ep.SocketOptions().SetReusePort(true)
	if err := ep.Bind(full(at)); err != nil {
		ep.Close()
		return nil, errors.New(err.String())
	}
	return ep, nil
}

// ListenTCP accepts TCP connections at an address of the host.
func (h *Host) ListenTCP(at netip.AddrPort) (net.Listener, error) {
	const backlog = 1024
	var wq waiter.Queue
	ep, err := h.bound(&wq, at)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", at, err)
	}
	if err := ep.Listen(backlog); err != nil {
		ep.Close()
		return nil, fmt.Errorf("listening on %s: %s", at, err)
	}
	return gonet.NewTCPListener(h.stack, &wq, ep), nil
}

// DialUDP sends from an address of the host to another, and receives from there.
func (h *Host) DialUDP(from, to netip.AddrPort) (net.Conn, error) {
	local, remote := full(from), full(to)
	c, err := gonet.DialUDP(h.stack, &local, &remote, network(to.Addr()))
	if err != nil {
		return nil, fmt.Errorf("sending from %s to %s: %w", from, to, err)
	}
	return c, nil
}

// ListenUDP receives UDP at an address of the host.
func (h *Host) ListenUDP(at netip.AddrPort) (net.PacketConn, error) {
	local := full(at)
	c, err := gonet.DialUDP(h.stack, &local, nil, network(at.Addr()))
	if err != nil {
		return nil, fmt.Errorf("receiving at %s: %w", at, err)
	}
	return c, nil
}
