package fabric

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
)

// The protocols that carry ports, or types and codes. All matches every protocol.
const (
	All    = -1
	ICMP   = 1
	TCP    = 6
	UDP    = 17
	ICMPv6 = 58
)

// TCP flags.
const (
	flagFIN = 1
	flagSYN = 2
	flagRST = 4
	flagACK = 16
)

// A packet is an IP packet, with what its headers say.
type packet struct {
	raw      []byte
	v6       bool
	protocol int
	from, to netip.AddrPort // ports 0 where the protocol has none
	kind     int            // ICMP type
	code     int            // ICMP code
	echo     uint16         // identifier of an ICMP echo
	flags    byte           // of TCP
	payload  int            // bytes of the application
	at       int            // where the transport header begins
}

// parse reads a packet's headers.
func parse(raw []byte) (packet, error) {
	p := packet{raw: raw}
	if len(raw) == 0 {
		return p, errShort
	}
	var from, to netip.Addr
	switch raw[0] >> 4 {
	case 4:
		if len(raw) < 20 {
			return p, errShort
		}
		if binary.BigEndian.Uint16(raw[6:])&0x3fff != 0 {
			return p, errFragment
		}
		p.protocol, p.at = int(raw[9]), int(raw[0]&15)*4
		from, to = netip.AddrFrom4([4]byte(raw[12:16])), netip.AddrFrom4([4]byte(raw[16:20]))
	case 6:
		if len(raw) < 40 {
			return p, errShort
		}
		p.v6, p.protocol, p.at = true, int(raw[6]), 40
		from, to = netip.AddrFrom16([16]byte(raw[8:24])), netip.AddrFrom16([16]byte(raw[24:40]))
	default:
		return p, fmt.Errorf("IP version %d", raw[0]>>4)
	}
	p.from, p.to = netip.AddrPortFrom(from, 0), netip.AddrPortFrom(to, 0)
	return p, p.transport()
}

type packetError string

func (e packetError) Error() string { return string(e) }

const (
	errShort    = packetError("packet is too short")
	errFragment = packetError("fragments are not carried")
)

// transport reads the transport header.
func (p *packet) transport() error {
	h := p.raw[min(p.at, len(p.raw)):]
	need := map[int]int{TCP: 20, UDP: 8, ICMP: 8, ICMPv6: 8}[p.protocol]
	if len(h) < need {
		return errShort
	}
	p.payload = len(h) - need
	switch p.protocol {
	case TCP:
		p.flags, p.payload = h[13], max(len(h)-int(h[12]>>4)*4, 0)
		fallthrough
	case UDP:
		p.from = netip.AddrPortFrom(p.from.Addr(), binary.BigEndian.Uint16(h))
		p.to = netip.AddrPortFrom(p.to.Addr(), binary.BigEndian.Uint16(h[2:]))
	case ICMP, ICMPv6:
		p.kind, p.code = int(h[0]), int(h[1])
		if _, isEcho := p.echoes(); isEcho {
			p.echo = binary.BigEndian.Uint16(h[4:])
		}
	}
	return nil
}

// echoes reports whether the packet is an echo's, and whether it is the request.
func (p *packet) echoes() (request, echo bool) {
	switch p.protocol {
	case ICMP:
		return p.kind == 8, p.kind == 8 || p.kind == 0
	case ICMPv6:
		return p.kind == 128, p.kind == 128 || p.kind == 129
	default:
		return false, false
	}
}

// begins reports whether the packet opens a TCP connection.
func (p *packet) begins() bool { return p.protocol == TCP && p.flags&(flagSYN|flagACK) == flagSYN }

// hasPorts reports whether a protocol's packets carry ports.
func hasPorts(protocol int) bool { return protocol == TCP || protocol == UDP }

// rewriteFrom gives the packet another source.
func (p *packet) rewriteFrom(to netip.AddrPort) { p.rewrite(&p.from, to, 12, 8, 0) }

// rewriteTo gives the packet another destination.
func (p *packet) rewriteTo(to netip.AddrPort) { p.rewrite(&p.to, to, 16, 24, 2) }

// rewrite replaces an address and, where there are ports, a port, and brings the
// checksums up to date. An ICMP echo has its identifier for a port.
func (p *packet) rewrite(end *netip.AddrPort, by netip.AddrPort, at4, at6, portAt int) {
	var sum int // where the transport checksum is
	switch p.protocol {
	case TCP:
		sum = p.at + 16
	case UDP:
		sum = p.at + 6
	case ICMPv6:
		sum = p.at + 2
	}
	if p.v6 {
		p.replace(at6, by.Addr().AsSlice(), sum)
	} else {
		p.replace(at4, by.Addr().AsSlice(), 10, sum)
	}
	if hasPorts(p.protocol) {
		p.replace(p.at+portAt, binary.BigEndian.AppendUint16(nil, by.Port()), sum)
		*end = by
		return
	}
	*end = netip.AddrPortFrom(by.Addr(), 0)
}

// rewriteEcho gives an ICMP echo another identifier.
func (p *packet) rewriteEcho(id uint16) {
	p.replace(p.at+4, binary.BigEndian.AppendUint16(nil, id), p.at+2)
	p.echo = id
}

// replace writes bytes and updates the checksums that cover them
// (https://www.rfc-editor.org/rfc/rfc1624). A checksum at 0 is none.
func (p *packet) replace(at int, by []byte, sums ...int) {
	for i := 0; i < len(by); i += 2 {
		before, after := binary.BigEndian.Uint16(p.raw[at+i:]), binary.BigEndian.Uint16(by[i:])
		for _, s := range sums {
			if s == 0 {
				continue
			}
			sum := binary.BigEndian.Uint16(p.raw[s:])
			if sum == 0 && p.protocol == UDP && !p.v6 && s > 10 {
				continue // UDP without a checksum
			}
			sum = ^fold(uint32(^sum) + uint32(^before) + uint32(after))
			if sum == 0 && p.protocol == UDP && s > 10 {
				sum = 0xffff // 0 would mean that there is none (https://www.rfc-editor.org/rfc/rfc768)
			}
			binary.BigEndian.PutUint16(p.raw[s:], sum)
		}
	}
	copy(p.raw[at:], by)
}

// fold adds the carries of a sum of 16-bit words.
func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

func (p *packet) String() string {
	switch {
	case hasPorts(p.protocol):
		return fmt.Sprintf("%s %s -> %s", protocolName(p.protocol), p.from, p.to)
	case p.protocol == ICMP, p.protocol == ICMPv6:
		return fmt.Sprintf("%s %d/%d %s -> %s", protocolName(p.protocol), p.kind, p.code, p.from.Addr(), p.to.Addr())
	default:
		return fmt.Sprintf("%s %s -> %s", protocolName(p.protocol), p.from.Addr(), p.to.Addr())
	}
}

func protocolName(p int) string {
	if name := map[int]string{All: "all", ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMPv6: "icmpv6"}[p]; name != "" {
		return name
	}
	return strconv.Itoa(p)
}
