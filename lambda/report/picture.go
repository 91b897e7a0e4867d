package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/plain"
	"tourniquet/lambda/record"
)

// A picture is a drawing of the network: the peers outside, the network ACLs, and the
// instance with its interfaces. It is made of boxes, lines and marks, so that the
// template escapes every text in it.
type picture struct {
	Class         string // of the page's style: which screens show it
	Title, Detail string // for those who do not see it
	Width, Height int
	Boxes         []box
	Lines         []line
	Marks         []mark

	acl int // where the column of ACLs ends
}

// A box is a labelled rectangle.
type box struct {
	X, Y, W, H int
	Class      string
	Labels     []label
}

// A label is a text at a place.
type label struct {
	X, Y  int
	Class string
	Text  string
}

// A line goes from a box to another.
type line struct {
	Path  string
	Class string
}

// A mark says on a line what becomes of it.
type mark struct {
	X, Y  int
	Class string // "cut" or "flows"
	Text  string
}

// What a picture shows at most; the rest is counted, and in the text below.
const (
	maxPeers      = 8
	maxACLs       = 6
	maxInterfaces = 8
	maxLabel      = 42
	maxName       = 24
)

// A scene is what there is to draw.
type scene struct {
	who        string
	peers      []drawnPeer
	acls       []drawnACL
	interfaces []Interface
	omitted    []string // "3 more peers"
}

// A drawnPeer is what may exchange packets with the instance: a remote address, or a
// kind of exposure that is none.
type drawnPeer struct {
	address string // or the kind's title
	about   string // how, or why it is not cut
	acls    []string
	other   bool // not an address
}

type drawnACL struct {
	id     string
	denies int
}

// sceneOf finds in a document what to draw.
func sceneOf(d Document) scene {
	s := scene{who: nameOf(d)}
	acls := map[string]int{}
	var order []string
	denials := map[string][]string{}
	for _, step := range d.Incident.Steps {
		if step.Kind != record.KindDenial || !standing(step) {
			continue
		}
		if acls[step.Resource] == 0 {
			order = append(order, step.Resource)
		}
		acls[step.Resource]++
		if !slices.Contains(denials[step.Prefix], step.Resource) {
			denials[step.Prefix] = append(denials[step.Prefix], step.Resource)
		}
	}
	for _, id := range order {
		s.acls = append(s.acls, drawnACL{id, acls[id]})
	}
	for _, p := range d.Peers {
		peer := drawnPeer{address: p.Address, about: aboutPeer(p), acls: deniedIn(p.Address, denials)}
		if why := whyOpen(d, p.Address); len(peer.acls) == 0 && why != "" {
			peer.about = why
		}
		s.peers = append(s.peers, peer)
	}
	// Those that are cut come first, so that the lines of the others do not cross theirs.
	slices.SortStableFunc(s.peers, func(a, b drawnPeer) int { return min(len(b.acls), 1) - min(len(a.acls), 1) })
	s.interfaces = interfacesOf(d)
	slices.SortStableFunc(s.acls, func(a, b drawnACL) int { return place(s.interfaces, a.id) - place(s.interfaces, b.id) })
	s.limit()
	s.others(d)
	return s
}

// place is where the first interface behind an ACL stands.
func place(interfaces []Interface, acl string) int {
	if i := slices.IndexFunc(interfaces, func(i Interface) bool { return i.ACL == acl }); i >= 0 {
		return i
	}
	return len(interfaces)
}

// whyOpen is why a peer is not denied: the exposure whose detail begins with it.
func whyOpen(d Document, address string) string {
	for _, e := range d.Incident.Exposure {
		if strings.HasPrefix(e.Detail, address+" ") {
			return plain.Reason(e.Kind)
		}
	}
	return ""
}

// beside are the kinds of exposure that are drawn beside the peers: traffic that no
// address of a finding stands for.
var beside = []record.ExposureKind{record.SurvivingPeer, record.QuarantineLeaks, record.UnknownPeers, record.ResolverDNS, record.IMDSCredentials}

// titles are shorter ones, where those of the text don't fit into a box.
var titles = map[record.ExposureKind]string{
	record.SurvivingPeer: "A survivor", record.QuarantineLeaks: "New connections", record.UnknownPeers: "Older, unnamed connections",
}

func (s *scene) others(d Document) {
	for _, kind := range beside {
		has := slices.ContainsFunc(d.Incident.Exposure, func(e answer.ExposureAnswer) bool { return e.Kind == kind })
		if has {
			s.peers = append(s.peers, drawnPeer{address: cmp.Or(titles[kind], plain.Exposure(kind)), about: plain.Reason(kind), other: true})
		}
	}
}

func nameOf(d Document) string {
	if d.Name != "" {
		return plain.Line(d.Name, maxName)
	}
	return d.Incident.Instance
}

// standing reports whether a step still keeps something from flowing, or would.
func standing(s answer.StepAnswer) bool {
	switch s.State {
	case record.Applied, record.Lingering, record.Planned, record.Pending:
		return true
	default:
		return false
	}
}

func aboutPeer(p Peer) string {
	var words []string
	if p.Direction != "" {
		words = append(words, p.Direction)
	}
	if p.Protocol != "" {
		words = append(words, p.Protocol)
	}
	if p.RemotePort > 0 {
		words = append(words, fmt.Sprintf("port %d", p.RemotePort))
	}
	return plain.Line(cmp.Or(strings.Join(words, " "), "no port is known"), maxLabel)
}

// interfacesOf are the interfaces as EC2 shows them, or, where that could not be read,
// those that the record names.
func interfacesOf(d Document) []Interface {
	if len(d.Interfaces) > 0 {
		return d.Interfaces
	}
	var all []Interface
	for _, step := range d.Incident.Steps {
		if step.Kind == record.KindQuarantine {
			groups := step.After
			if step.State == record.Restored {
				groups = step.Before
			}
			all = append(all, Interface{ID: step.Resource, Groups: groups})
		}
	}
	return all
}

// limit leaves out what does not fit, and counts it.
func (s *scene) limit() {
	if n := len(s.peers) - maxPeers; n > 0 {
		s.peers = s.peers[:maxPeers]
		s.omitted = append(s.omitted, plain.Count(n, "more peer", "more peers"))
	}
	if n := len(s.acls) - maxACLs; n > 0 {
		s.acls = s.acls[:maxACLs]
		s.omitted = append(s.omitted, plain.Count(n, "more network ACL", "more network ACLs"))
	}
	if n := len(s.interfaces) - maxInterfaces; n > 0 {
		s.interfaces = s.interfaces[:maxInterfaces]
		s.omitted = append(s.omitted, plain.Count(n, "more interface", "more interfaces"))
	}
}

// quarantineState is how far the quarantine of an interface has come; empty where the
// record has none.
func quarantineState(d Document, id string) record.State {
	for _, s := range d.Incident.Steps {
		if s.Kind == record.KindQuarantine && s.Resource == id {
			return s.State
		}
	}
	return ""
}

// describe says in words what the picture shows.
func (s scene) describe() string {
	var cut, open []string
	for _, p := range s.peers {
		if len(p.acls) > 0 {
			cut = append(cut, p.address)
		} else {
			open = append(open, strings.TrimSuffix(p.address+" ("+p.about+")", " ()"))
		}
	}
	var sentences []string
	if len(cut) > 0 {
		sentences = append(sentences, "Cut off at the network ACLs: "+plain.List(cut)+".")
	}
	if len(open) > 0 {
		sentences = append(sentences, "May still flow: "+plain.List(open)+".")
	}
	if len(s.peers) == 0 {
		sentences = append(sentences, "No peer is known.")
	}
	if len(s.omitted) > 0 {
		sentences = append(sentences, "Not drawn: "+plain.List(s.omitted)+".")
	}
	return strings.Join(sentences, " ")
}
