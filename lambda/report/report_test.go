package report

import (
	"encoding/json"
	"encoding/xml"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func rendered(t rapid.TB, d Document) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// tags finds the elements and attributes of a page that can run or load something.
var active = regexp.MustCompile(`(?i)<\s*(script|iframe|object|embed|img|image|link|base|form|a|use|foreignobject|animate|set)\b[^>]*>|\son[a-z]+\s*=|javascript:|url\(|@import|src\s*=|href\s*=`)

// The page runs nothing and loads nothing: the only thing of the kind is the empty icon.
func TestNothingActive(t *testing.T) {
	t.Parallel()
	for name, d := range documents() {
		page := rendered(t, d)
		page = strings.Replace(page, `<link rel="icon" href="data:,">`, "", 1)
		body := attributeText.ReplaceAllString(page, "")
		for _, found := range active.FindAllString(body, -1) {
			t.Errorf("%s: the page has %q", name, found)
		}
	}
}

// attributeText and text are where the page repeats texts of others: between tags, and in
// the quoted attributes that hold them. html/template has escaped what could end them.
var attributeText = regexp.MustCompile(`aria-label="[^"]*"|>[^<]*<`)

// Whatever others say, the page has the elements that it has without it.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	elements := regexp.MustCompile(`<[a-zA-Z/!][^>]*?>`)
	shape := func(page string) int { return len(elements.FindAllString(page, -1)) }
	text := rapid.StringOf(rapid.RuneFrom([]rune("ab<>&\"'`/=;:(){}\\\n\x00\x1b\u202e\u2066\u200b\u2028-!")))
	rapid.Check(t, func(t *rapid.T) {
		set := func(s string) Document {
			d := containedDocument()
			d.Name, d.Incident.Reason = s, s
			d.Incident.Exposure[0].Detail, d.Incident.Exposure[0].Kind = s, "resolver-dns"
			d.Incident.Steps[0].Note = s
			d.Findings[0].Type, d.Findings[0].ID = s, s
			d.History[0].Reason, d.History[0].Finding, d.History[0].Changes[0], d.History[0].Verdict = s, s, s, s
			d.Originals[0].Name, d.Originals[0].UsedBy[0] = s, s
			d.Interfaces[0].Subnet, d.Interfaces[0].Addresses[0] = s, s
			d.Peers[0].Protocol = s
			d.Unread = []string{s}
			return d
		}
		s := "x" + text.Draw(t, "text") + "x"
		page := rendered(t, set(s))
		if got, want := shape(page), shape(rendered(t, set("xx"))); got != want {
			t.Fatalf("%q changes the page's elements: %d, not %d", s, got, want)
		}
		if strings.ContainsAny(page, "\x00\x1b\u202e\u2066\u200b\u2028") {
			t.Fatalf("%q is in the page with its invisible characters", s)
		}
	})
}

// The picture of each document is well-formed, and says in words what it shows.
func TestPictures(t *testing.T) {
	t.Parallel()
	svg := regexp.MustCompile(`(?s)<svg.*?</svg>`)
	for name, d := range documents() {
		drawn := svg.FindAllString(rendered(t, d), -1)
		if len(drawn) != 2 {
			t.Fatalf("%s: %d pictures, want one for wide screens and one for narrow ones", name, len(drawn))
		}
		for _, p := range drawn {
			if err := xml.Unmarshal([]byte(p), new(struct {
				XMLName xml.Name
			})); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !strings.Contains(p, `role="img"`) || !strings.Contains(p, "aria-label") {
				t.Errorf("%s: the picture says nothing to those who do not see it", name)
			}
		}
	}
	s := sceneOf(containedDocument())
	if got := s.describe(); got != "Cut off at the network ACLs: 198.51.100.7 and 2001:db8:ffff::7. May still flow: 10.0.1.99 (inside the subnet no ACL is evaluated), DNS through the VPC's resolver (groups and ACLs do not filter it) and Credentials of the instance's role (groups and ACLs do not filter it)." {
		t.Errorf("got %q", got)
	}
	if got := sceneOf(crowdedDocument()).describe(); !strings.Contains(got, "Not drawn: 25 more peers, 26 more network ACLs and 24 more interfaces.") {
		t.Errorf("got %q", got)
	}
}

// Boxes of a picture lie within it, and none on another but those in the instance.
func TestPicturesHaveRoom(t *testing.T) {
	t.Parallel()
	for name, d := range documents() {
		s := sceneOf(d)
		for _, p := range []picture{wide(d, s), narrow(d, s)} {
			var solid []box
			for _, b := range p.Boxes {
				if b.X < 0 || b.Y < 0 || b.X+b.W > p.Width || b.Y+b.H > p.Height {
					t.Errorf("%s, %s: a box leaves the picture of %d by %d: %+v", name, p.Class, p.Width, p.Height, b)
				}
				if b.W > 0 && b.Class != "host" {
					solid = append(solid, b)
				}
			}
			for i, a := range solid {
				for _, b := range solid[i+1:] {
					if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
						t.Errorf("%s, %s: boxes overlap: %+v and %+v", name, p.Class, a, b)
					}
				}
			}
		}
	}
}

// The report says what the flow logs prove, and what they don't.
func TestWatchResults(t *testing.T) {
	t.Parallel()
	d := containedDocument()
	if page := rendered(t, d); !strings.Contains(page, "The flow logs prove that nobody") {
		t.Error("a quiet instance: the report does not say so")
	}
	d.Times.QuietSince = (Times{}).QuietSince
	if page := rendered(t, d); strings.Contains(page, "prove that nobody") || !strings.Contains(page, "not quiet, or not proven yet") {
		t.Error("nothing is proven, and the report does not say so")
	}
}

// What a page is made of is a document that can be read back.
func TestDocumentIsJSON(t *testing.T) {
	t.Parallel()
	for name, d := range documents() {
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(text, &fields); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"incident", "findings", "peers", "history", "originalGroups"} {
			if fields[key] == nil {
				t.Errorf("%s: the document lacks %s", name, key)
			}
		}
	}
}
