package report

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tourniquet/lambda/plain"
	"tourniquet/lambda/record"
)

// deniedIn are the ACLs whose denials cover an address.
func deniedIn(address string, denials map[string][]string) []string {
	a, err := netip.ParseAddr(address)
	var acls []string
	for prefix, in := range denials {
		if p, failed := netip.ParsePrefix(prefix); err == nil && failed == nil && p.Contains(a) {
			acls = append(acls, in...)
		}
	}
	slices.Sort(acls)
	return slices.Compact(acls)
}

// The measures of the wide picture, in its own units.
const (
	wideWidth = 1000
	peerW     = 292
	aclX      = 400
	aclW      = 220
	hostX     = 690
	hostW     = wideWidth - hostX - 4
	boxH      = 50
	cardH     = 82 // of an interface
	apart     = 14
	margin    = 16
	titleH    = 34
)

// wide draws the picture for a screen or a sheet of paper: from left to right.
func wide(d Document, s scene) picture {
	p := picture{Class: "wide", Title: "The network of " + s.who, Detail: s.describe(), Width: wideWidth}
	places := p.host(d, s, hostX, titleH, hostW)
	bottom := p.Height - margin
	aclY := p.column(s, aclPlaces(s, places, bottom), places)
	y, open := titleH, 0
	for _, peer := range s.peers {
		p.peer(peer, 0, y, peerW)
		to := y + boxH/2
		if len(peer.acls) == 0 {
			to = max(bottom-12, p.acl) + 12*open // below the ACLs
			open++
		}
		p.flow(peer, y+boxH/2, to, aclY)
		y += boxH + apart
	}
	p.stretch(open)
	if len(s.peers) == 0 {
		p.none("No peer is known", 0, y, peerW)
		y += boxH + apart
	}
	p.heading(0, "Outside")
	if len(s.acls) > 0 {
		p.heading(aclX, "Network ACLs")
	}
	p.heading(hostX, "The instance")
	p.Height = max(p.Height, y)
	return p
}

// stretch makes the instance's frame as long as the lines that end at it need.
func (p *picture) stretch(open int) {
	for i, b := range p.Boxes {
		if b.Class == "host" && open > 0 {
			end := max(b.Y+b.H-12, p.acl) + 12*open + margin
			p.Boxes[i].H = end - b.Y
			p.Height = max(p.Height, end+margin)
		}
	}
}

func (p *picture) heading(x int, text string) {
	p.Boxes = append(p.Boxes, box{Class: "bare", Labels: []label{{x, 16, "band", text}}})
}

func (p *picture) none(text string, x, y, w int) {
	p.Boxes = append(p.Boxes, box{x, y, w, boxH, "peer none", []label{{x + margin, y + 30, "name", text}}})
}

// host draws the instance and its interfaces, and gives the middle of each by its id.
func (p *picture) host(d Document, s scene, x, y, w int) map[string]int {
	places := map[string]int{}
	top := y
	frame := box{X: x, Y: top, W: w, Class: "host", Labels: []label{
		{x + margin, top + 24, "name", s.who}, {x + margin, top + 42, "id", short(d.Incident.Instance)},
	}}
	p.Boxes = append(p.Boxes, frame)
	at := len(p.Boxes) - 1
	y += 58
	for _, i := range s.interfaces {
		class, state := "interface open", "not in quarantine"
		switch quarantineState(d, i.ID) {
		case record.Applied:
			class, state = "interface held", "in quarantine"
		case record.Restored:
			class, state = "interface", "released: its groups are back"
		default: // not changed
		}
		p.Boxes = append(p.Boxes, box{x + margin, y, w - 2*margin, cardH, class, []label{
			{x + 2*margin, y + 20, "id", short(i.ID)},
			{x + 2*margin, y + 37, "small", short(strings.Join(i.Addresses, " "))},
			{x + 2*margin, y + 54, "small", short(i.Subnet)},
			{x + 2*margin, y + 72, "state", state},
		}})
		places[i.ID] = y + cardH/2
		y += cardH + apart
	}
	p.Boxes[at].H = y - top
	p.Height = y + margin
	return places
}

// aclPlaces is where each ACL stands: beside the interfaces in its subnets, else in a
// row of its own.
func aclPlaces(s scene, places map[string]int, bottom int) []int {
	var ys []int
	next := titleH + 58
	for _, acl := range s.acls {
		sum, n := 0, 0
		for _, i := range s.interfaces {
			if i.ACL == acl.id {
				sum, n = sum+places[i.ID], n+1
			}
		}
		y := next
		if n > 0 {
			y = max(next, sum/n-boxH/2)
		} else if len(s.acls) == 1 {
			y = max(next, bottom/2-boxH/2)
		}
		ys = append(ys, y)
		next = y + boxH + apart
	}
	return ys
}

// column draws the ACLs, and gives the middle of each by its id.
func (p *picture) column(s scene, ys []int, places map[string]int) map[string]int {
	at := map[string]int{}
	for n, acl := range s.acls {
		p.Boxes = append(p.Boxes, box{aclX, ys[n], aclW, boxH, "acl", []label{
			{aclX + margin, ys[n] + 21, "id", short(acl.id)},
			{aclX + margin, ys[n] + 39, "small", plain.Count(acl.denies, "deny entry", "deny entries")},
		}})
		at[acl.id] = ys[n] + boxH/2
		p.Height = max(p.Height, ys[n]+boxH+margin)
		p.acl = max(p.acl, ys[n]+boxH+apart)
		for _, i := range s.interfaces {
			if i.ACL == acl.id {
				p.Lines = append(p.Lines, line{curve(aclX+aclW, at[acl.id], hostX+margin, places[i.ID]), "inside"})
			}
		}
	}
	return at
}

// peer draws what may exchange packets with the instance.
func (p *picture) peer(peer drawnPeer, x, y, w int) {
	class, font := "peer open", "id"
	if len(peer.acls) > 0 {
		class = "peer cut"
	}
	if peer.other {
		font = "title"
	}
	p.Boxes = append(p.Boxes, box{x, y, w, boxH, class, []label{
		{x + margin, y + 21, font, short(peer.address)}, {x + margin, y + 39, "small", short(peer.about)},
	}})
}

// flow draws what becomes of the packets of a peer: they end at each ACL that denies
// it, else they may come to the instance, by whose frame the line ends.
func (p *picture) flow(peer drawnPeer, y, to int, acls map[string]int) {
	const x = peerW + 26
	for _, id := range peer.acls {
		if at, ok := acls[id]; ok {
			p.Lines = append(p.Lines, line{curve(x, y, aclX, at), "cut"})
		}
	}
	if len(peer.acls) == 0 {
		p.Lines = append(p.Lines, line{curve(x, y, aclX, to) + fmt.Sprintf(" L%d %d", hostX, to), "flows"})
	}
	class, sign := signOf(peer)
	p.Lines = append(p.Lines, line{curve(peerW, y, x, y), class})
	p.Marks = append(p.Marks, mark{x, y, class, sign})
}

// signOf is the mark of a peer: cut off, or it may still flow.
func signOf(peer drawnPeer) (class, sign string) {
	if len(peer.acls) > 0 {
		return "cut", "✕"
	}
	return "flows", "?"
}

// curve is a smooth path from left to right.
func curve(x1, y1, x2, y2 int) string {
	mid := (x1 + x2) / 2
	return fmt.Sprintf("M%d %d C%d %d %d %d %d %d", x1, y1, mid, y1, mid, y2, x2, y2)
}

// The narrow picture's width.
const narrowWidth = 340

// narrow draws the picture for a telephone: from top to bottom.
func narrow(d Document, s scene) picture {
	p := picture{Class: "narrow", Title: "The network of " + s.who, Detail: s.describe(), Width: narrowWidth}
	p.heading(0, "Outside")
	y := titleH
	open := len(s.peers) == 0
	for _, peer := range s.peers {
		p.peer(peer, 0, y, narrowWidth-4)
		class, sign := signOf(peer)
		p.Marks = append(p.Marks, mark{narrowWidth - 2*margin, y + boxH/2, class, sign})
		y += boxH + apart
		open = open || len(peer.acls) == 0
	}
	if len(s.peers) == 0 {
		p.none("No peer is known", 0, y, narrowWidth)
		y += boxH + apart
	}
	class := "cut"
	if open {
		class = "flows"
	}
	p.Lines = append(p.Lines, line{fmt.Sprintf("M%d %d L%d %d", narrowWidth/2, y-apart, narrowWidth/2, y+apart), class})
	y += apart
	for _, acl := range s.acls {
		p.Boxes = append(p.Boxes, box{0, y, narrowWidth - 4, boxH, "acl", []label{
			{margin, y + 21, "id", short(acl.id)}, {margin, y + 39, "small", plain.Count(acl.denies, "deny entry", "deny entries")},
		}})
		y += boxH + apart
	}
	if len(s.acls) > 0 {
		p.Lines = append(p.Lines, line{fmt.Sprintf("M%d %d L%d %d", narrowWidth/2, y-apart, narrowWidth/2, y+10), "inside"})
		y += 10
	}
	p.host(d, s, 0, y, narrowWidth-4)
	return p
}

// short bounds a label; what is cut off is in the text below.
func short(s string) string { return plain.Line(s, maxLabel) }
