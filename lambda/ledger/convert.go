package ledger

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/order"
	"tourniquet/lambda/record"
)

// toItem is a record as the ledger stores it next.
func toItem(r record.Record) (containmentItem, error) {
	peers, err := convert(r.Peers, fromPeer)
	if err != nil {
		return containmentItem{}, fmt.Errorf("containment %s: %w", r.Holder(), err)
	}
	steps, err := convert(r.Steps, fromStep)
	if err != nil {
		return containmentItem{}, fmt.Errorf("containment %s: %w", r.Holder(), err)
	}
	i := containmentItem{
		header:   header{containmentKey(r.Instance, r.Generation), schemaFirst},
		Instance: r.Instance, Name: r.Name, Generation: r.Generation, Version: r.Version + 1, Status: string(r.Status),
		ByPerson: r.ByPerson, Adopted: r.Adopted, Reason: r.Reason, Peers: peers, Unreadable: texts(r.Unreadable),
		Steps: steps, Originals: map[string]string{},
		Opened: stamp(r.Opened), Updated: stamp(r.Updated), Contained: stamp(r.Contained), Released: stamp(r.Released),
	}
	i.addRungs(r)
	for _, f := range r.Findings {
		i.Findings = append(i.Findings, findingItem{f.ID, f.Type, f.Severity, stamp(f.Seen)})
	}
	for _, e := range r.Exposure {
		i.Exposure = append(i.Exposure, exposureItem{string(e.Kind), e.Detail})
	}
	for _, s := range steps {
		if s.Kind == string(record.KindQuarantine) {
			i.Originals[s.Resource] = strings.Join(s.Before, " ")
		}
	}
	return i, nil
}

// record is the item as the domain knows it.
func (i containmentItem) record() (record.Record, error) {
	peers, err := convert(i.Peers, peerItem.peer)
	if err != nil {
		return record.Record{}, fmt.Errorf("item %s: %w", i.key, err)
	}
	steps, err := convert(i.Steps, stepItem.step)
	if err != nil {
		return record.Record{}, fmt.Errorf("item %s: %w", i.key, err)
	}
	r := record.Record{
		Instance: i.Instance, Name: i.Name, Generation: i.Generation, Version: i.Version, Status: record.Status(i.Status),
		ByPerson: i.ByPerson, Adopted: i.Adopted, Reason: i.Reason, Peers: peers, Unreadable: texts(i.Unreadable), Steps: steps,
		Opened: moment(i.Opened), Updated: moment(i.Updated), Contained: moment(i.Contained), Released: moment(i.Released),
		Rungs: i.Rungs, Admitted: texts(i.Admitted), Host: i.Host.report(), Restore: i.Restore.report(), Asked: i.Asked,
		Contested: moment(i.Contested), Retaken: i.Retaken,
		Watched: moment(i.Watched), QuietSince: moment(i.QuietSince),
	}
	if err := i.addWatches(&r); err != nil {
		return record.Record{}, fmt.Errorf("item %s: %w", i.key, err)
	}
	for _, f := range i.Findings {
		r.Findings = append(r.Findings, record.FindingRef{ID: f.ID, Type: f.Type, Severity: f.Severity, Seen: moment(f.Seen)})
	}
	for _, e := range i.Exposure {
		r.Exposure = append(r.Exposure, record.Exposure{Kind: record.ExposureKind(e.Kind), Detail: e.Detail})
	}
	return r, nil
}

func fromPeer(p guardduty.Peer) (peerItem, error) {
	if !p.Addr.IsValid() {
		return peerItem{}, errors.New("a peer without an address")
	}
	return peerItem{
		p.Addr.String(), p.Direction.String(), p.Protocol, p.LocalPort, p.RemotePort, p.Interface, p.Severity, stamp(p.Seen), p.From,
	}, nil
}

func (i peerItem) peer() (guardduty.Peer, error) {
	addr, err := netip.ParseAddr(i.Address)
	if err != nil {
		return guardduty.Peer{}, fmt.Errorf("a peer's address: %w", err)
	}
	p := guardduty.Peer{
		Addr: addr, Protocol: i.Protocol, LocalPort: i.LocalPort, RemotePort: i.RemotePort, Interface: i.Interface,
		Severity: i.Severity, Seen: moment(i.Seen), From: i.From,
	}
	for _, d := range []guardduty.Direction{guardduty.Inbound, guardduty.Outbound} {
		if d.String() == i.Direction {
			p.Direction = d
		}
	}
	return p, nil
}

func fromSlot(s record.Slot) slotItem {
	return slotItem{
		header: header{slotKey(s.SlotKey), schemaFirst},
		VPC:    s.VPC, ACL: s.ACL, Direction: string(s.Direction), Number: s.Number,
		Prefix: s.Prefix.String(), Holders: holderNames(s.Holders), State: string(s.State), Since: stamp(s.Since),
	}
}

func (i slotItem) slot() (record.Slot, error) {
	prefix, err := netip.ParsePrefix(i.Prefix)
	if err != nil {
		return record.Slot{}, fmt.Errorf("item %s: %w", i.key, err)
	}
	holders, err := convert(i.Holders, record.ParseHolder)
	if err != nil {
		return record.Slot{}, fmt.Errorf("item %s: %w", i.key, err)
	}
	order.Sort(holders, record.Holder.Compare)
	place := record.SlotKey{VPC: i.VPC, ACL: i.ACL, Direction: network.Direction(i.Direction), Number: i.Number}
	if i.key != slotKey(place) {
		return record.Slot{}, fmt.Errorf("item %s says that it is of %s", i.key, slotKey(place))
	}
	return record.Slot{
		SlotKey: place, Prefix: prefix, Holders: holders, State: record.SlotState(i.State), Since: moment(i.Since),
	}, nil
}

// holderNames are holders as a set of texts.
func holderNames(holders []record.Holder) []string {
	var names []string
	for _, h := range holders {
		names = append(names, h.String())
	}
	return set(names)
}

// maxEventReason is how many bytes a line of history says why it is there.
const maxEventReason = 1024

func fromEvent(e record.Event) eventItem {
	return eventItem{
		header:   header{eventKey(e), schemaFirst},
		Instance: e.Instance, Time: stamp(e.Time), ID: e.ID, Verdict: string(e.Verdict), Reason: guardduty.Clean(e.Reason, maxEventReason),
		Finding: e.Finding, Request: e.Request, Changes: texts(e.Changes),
	}
}

func (i eventItem) event() (record.Event, error) {
	return record.Event{
		Instance: i.Instance, Time: moment(i.Time), ID: i.ID, Verdict: record.Verdict(i.Verdict), Reason: i.Reason,
		Finding: i.Finding, Request: i.Request, Changes: texts(i.Changes),
	}, nil
}

func convert[A, B any](in []A, f func(A) (B, error)) ([]B, error) {
	var out []B
	for _, a := range in {
		b, err := f(a)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// texts is a copy; an empty list is nil, as it is when read from the table.
func texts(in []string) []string { return append([]string(nil), in...) }

// set is a copy in the order of a set, without repeats, which a set can't have.
func set(in []string) []string {
	out := texts(in)
	slices.Sort(out)
	return slices.Compact(out)
}

// stamp is a time as an attribute: UTC, and null when there is none.
func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Round(0)
	return &t
}

func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
