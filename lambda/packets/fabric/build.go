package fabric

import (
	"encoding/binary"
	"net/netip"
)

// A Probe is a packet to be made: what a test, or a gateway itself, sends.
type Probe struct {
	Protocol int
	From, To netip.AddrPort // both of one family
	Kind     int            // ICMP type
	Echo     uint16         // ICMP identifier
	Flags    byte           // TCP flags
	Seq, Ack uint32
	Payload  []byte
}

// TCP flags of probes.
const (
	SYN = flagSYN
	ACK = flagACK
	RST = flagRST
	FIN = flagFIN
)

// Packet is the probe's bytes, checksums included.
func (b Probe) Packet() []byte {
	segment, sum := b.segment()
	from, to := b.From.Addr(), b.To.Addr()
	if from.Is4() {
		h := make([]byte, 20, 20+len(segment))
		h[0], h[8], h[9] = 0x45, 64, byte(b.Protocol)              //nolint:gosec // a protocol number has 8 bits
		binary.BigEndian.PutUint16(h[2:], uint16(20+len(segment))) //nolint:gosec // far below 64 KiB
		copy(h[12:], from.AsSlice())
		copy(h[16:], to.AsSlice())
		binary.BigEndian.PutUint16(h[10:], ^fold(words(h)))
		b.sum(segment, sum, h[12:20])
		return append(h, segment...)
	}
	h := make([]byte, 40, 40+len(segment))
	h[0], h[6], h[7] = 0x60, byte(b.Protocol), 64           //nolint:gosec // a protocol number has 8 bits
	binary.BigEndian.PutUint16(h[4:], uint16(len(segment))) //nolint:gosec // far below 64 KiB
	copy(h[8:], from.AsSlice())
	copy(h[24:], to.AsSlice())
	b.sum(segment, sum, h[8:40])
	return append(h, segment...)
}

// segment is the transport header with the payload, and where its checksum goes.
func (b Probe) segment() (segment []byte, sum int) {
	var h []byte
	switch b.Protocol {
	case TCP:
		h, sum = make([]byte, 20), 16
		binary.BigEndian.PutUint32(h[4:], b.Seq)
		binary.BigEndian.PutUint32(h[8:], b.Ack)
		h[12], h[13], h[14] = 5<<4, b.Flags, 0xff
	case UDP:
		h, sum = make([]byte, 8), 6
		binary.BigEndian.PutUint16(h[4:], uint16(8+len(b.Payload))) //nolint:gosec // far below 64 KiB
	case ICMP, ICMPv6:
		h, sum = make([]byte, 8), 2
		h[0] = byte(b.Kind) //nolint:gosec // an ICMP type has 8 bits
		binary.BigEndian.PutUint16(h[4:], b.Echo)
	}
	if hasPorts(b.Protocol) {
		binary.BigEndian.PutUint16(h, b.From.Port())
		binary.BigEndian.PutUint16(h[2:], b.To.Port())
	}
	return append(h, b.Payload...), sum
}

// sum writes the checksum of a segment between two addresses.
func (b Probe) sum(segment []byte, at int, addresses []byte) {
	if at == 0 {
		return
	}
	total := words(segment)
	if b.Protocol != ICMP { // which alone has no pseudo header
		total += words(addresses) + uint32(b.Protocol) + uint32(len(segment)) //nolint:gosec // far below 64 KiB
	}
	sum := ^fold(total)
	if sum == 0 && b.Protocol == UDP {
		sum = 0xffff // 0 would mean that there is none (https://www.rfc-editor.org/rfc/rfc768)
	}
	binary.BigEndian.PutUint16(segment[at:], sum)
}

// words is the sum of a text's 16-bit words.
func words(b []byte) uint32 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}
