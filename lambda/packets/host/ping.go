package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// DialPing opens an ICMP echo to an address: what is written goes as the payload of a
// request, and what is read is the payload of its answer. The port of from is the
// echo's identifier, 0 for any.
func (h *Host) DialPing(from netip.AddrPort, to netip.Addr) (net.Conn, error) {
	protocol := icmp.ProtocolNumber4
	if to.Is6() {
		protocol = icmp.ProtocolNumber6
	}
	var wq waiter.Queue
	ep, err := h.stack.NewEndpoint(protocol, network(to), &wq)
	if err != nil {
		return nil, fmt.Errorf("pinging %s: %w", to, errors.New(err.String()))
	}
	if err := ep.Bind(full(from)); err != nil {
		ep.Close()
		return nil, fmt.Errorf("pinging %s from %s: %w", to, from, errors.New(err.String()))
	}
	if err := ep.Connect(full(netip.AddrPortFrom(to, 0))); err != nil {
		ep.Close()
		return nil, fmt.Errorf("pinging %s: %w", to, errors.New(err.String()))
	}
	return &pinger{Conn: gonet.NewUDPConn(&wq, ep), v6: to.Is6()}, nil
}

// A pinger wraps payloads into echoes.
type pinger struct {
	net.Conn
	v6  bool
	seq uint16
}

// Write sends one echo request.
func (p *pinger) Write(b []byte) (int, error) {
	p.seq++
	h := make([]byte, header.ICMPv4MinimumSize, header.ICMPv4MinimumSize+len(b))
	if p.v6 {
		h[0] = byte(header.ICMPv6EchoRequest)
	} else {
		h[0] = byte(header.ICMPv4Echo)
	}
	binary.BigEndian.PutUint16(h[6:], p.seq)
	n, err := p.Conn.Write(append(h, b...))
	return max(n-len(h), 0), err
}

// Read waits for an answer.
func (p *pinger) Read(b []byte) (int, error) {
	answer := make([]byte, mtu)
	n, err := p.Conn.Read(answer)
	if err != nil || n < header.ICMPv4MinimumSize {
		return 0, err
	}
	return copy(b, answer[header.ICMPv4MinimumSize:n]), nil
}
