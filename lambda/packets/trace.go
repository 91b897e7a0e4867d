package packets

import (
	"net/netip"
	"sync"

	"tourniquet/lambda/packets/fabric"
)

// traces tell what became of the packets of connections.
type traces struct {
	mu     sync.RWMutex
	bySend map[sends][]*trace // by what either end sends from
}

// sends is where packets of a protocol come from.
type sends struct {
	protocol int
	from     netip.AddrPort
}

func (t *traces) add(tr *trace) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bySend == nil {
		t.bySend = map[sends][]*trace{}
	}
	for _, from := range []netip.AddrPort{tr.initiator[0], tr.responder[0]} {
		k := sends{tr.protocol, from}
		t.bySend[k] = append(t.bySend[k], tr)
	}
}

func (t *traces) note(e fabric.Event) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, tr := range t.bySend[sends{e.Protocol, e.From}] {
		tr.note(e)
	}
}

// A trace follows one connection.
type trace struct {
	protocol int

	mu        sync.Mutex
	initiator [2]netip.AddrPort // what the initiator's packets have as source and destination
	responder [2]netip.AddrPort // and the responder's; of an unknown end, the address is invalid
	count     Count
	stopped   chan fabric.Reason // the latest that was stopped, until somebody takes it
}

// A Count is what has arrived of one connection, in both directions.
type Count struct {
	Packets, Bytes int // bytes of the application, repetitions included
	Stopped        int // packets that didn't arrive
}

func (t *trace) note(e fabric.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !same(t.initiator, e) && !same(t.responder, e) {
		return
	}
	if e.Arrived {
		t.count.Packets++
		t.count.Bytes += e.Payload
		return
	}
	t.count.Stopped++
	for {
		select {
		case t.stopped <- e.Reason:
			return
		case <-t.stopped:
		}
	}
}

// same reports whether a packet goes from the first end to the second.
func same(ends [2]netip.AddrPort, e fabric.Event) bool {
	return ends[0] == e.From && (ends[1] == e.To || !ends[1].Addr().IsValid())
}

// forget takes the reason of a packet stopped earlier.
func (t *trace) forget() {
	select {
	case <-t.stopped:
	default:
	}
}

func (t *trace) counted() Count {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count
}
