package ledger

import (
	"fmt"
	"time"

	"tourniquet/lambda/record"
)

// schemaVersion is the latest version of items that this program knows. A change after
// which an older program would misread or lose something raises it.
const schemaVersion = 2

// The versions that an item is written with: the least that a program has to know for
// it. So what an older program can read, it goes on to read after a rollback, and what
// it can't, it leaves alone.
const (
	schemaFirst = 1
	schemaRungs = 2 // a containment with measures beyond quarantine and denials
)

// A header is what every item begins with.
type header struct {
	key
	Schema int `dynamodbav:"schema"`
}

// check refuses an item that a later version of this program wrote.
func (h header) check() error {
	if h.Schema > schemaVersion {
		return fmt.Errorf("item %s has schema %d, this program knows %d: %w",
			h.key, h.Schema, schemaVersion, record.ErrNewerRecord)
	}
	return nil
}

type containmentItem struct {
	header
	Instance   string            `dynamodbav:"instance"`
	Name       string            `dynamodbav:"name,omitempty"`
	Generation int               `dynamodbav:"generation"`
	Version    int               `dynamodbav:"version"`
	Status     string            `dynamodbav:"status"`
	ByPerson   bool              `dynamodbav:"byPerson"`
	Adopted    bool              `dynamodbav:"adopted"`
	Reason     string            `dynamodbav:"reason"`
	Findings   []findingItem     `dynamodbav:"findings"`
	Peers      []peerItem        `dynamodbav:"peers"`
	Unreadable []string          `dynamodbav:"unreadablePeers"`
	Steps      []stepItem        `dynamodbav:"steps"`
	Originals  map[string]string `dynamodbav:"originals"` // groups by interface; only ever grows
	Exposure   []exposureItem    `dynamodbav:"residualExposure"`
	Opened     *time.Time        `dynamodbav:"opened"`
	Updated    *time.Time        `dynamodbav:"updated"`
	Contained  *time.Time        `dynamodbav:"contained"`
	Released   *time.Time        `dynamodbav:"released"`
	Rungs      bool              `dynamodbav:"rungs,omitempty"`
	Admitted   []string          `dynamodbav:"admitted,omitempty"`
	Host       *reportItem       `dynamodbav:"host,omitempty"`
	Restore    *reportItem       `dynamodbav:"restore,omitempty"`
	Asked      int               `dynamodbav:"asked,omitempty"`
	ReleasedTo []releaseItem     `dynamodbav:"releasedTo,omitempty"`
	Contested  *time.Time        `dynamodbav:"contested,omitempty"`
	Retaken    bool              `dynamodbav:"retaken,omitempty"`
	Watches    []watchItem       `dynamodbav:"watches,omitempty"`
	Watched    *time.Time        `dynamodbav:"watched,omitempty"`
	Survivors  []survivorItem    `dynamodbav:"survivors,omitempty"`
	// QuietSince is notQuiet once the logs were read and say otherwise: an update sets
	// attributes, and takes none away.
	QuietSince *time.Time `dynamodbav:"quietSince,omitempty"`
}

// A releaseItem is a group to release the interfaces in its VPC to.
type releaseItem struct {
	VPC   string `dynamodbav:"vpc"`
	Group string `dynamodbav:"group"`
}

// A watchItem is how far the flow log of an interface has been read.
type watchItem struct {
	Interface string     `dynamodbav:"interface"`
	Cut       *time.Time `dynamodbav:"cut,omitempty"`
	Covered   *time.Time `dynamodbav:"covered,omitempty"`
	Skipped   bool       `dynamodbav:"skipped,omitempty"`
	Accepted  *time.Time `dynamodbav:"accepted,omitempty"`
	Leaked    *time.Time `dynamodbav:"leaked,omitempty"`
}

type survivorItem struct {
	Address   string     `dynamodbav:"address"`
	Interface string     `dynamodbav:"interface,omitempty"`
	Protocol  int        `dynamodbav:"protocol"`
	Ports     []int      `dynamodbav:"ports,omitempty"`
	Bytes     int64      `dynamodbav:"bytes"`
	Last      *time.Time `dynamodbav:"last,omitempty"`
}

// A reportItem is what is known of a command to a host.
type reportItem struct {
	Command     string   `dynamodbav:"command"`
	State       string   `dynamodbav:"state,omitempty"`
	Detail      string   `dynamodbav:"detail,omitempty"`
	Rules       string   `dynamodbav:"rules,omitempty"`
	Closed      int      `dynamodbav:"closed,omitempty"`
	Left        int      `dynamodbav:"left,omitempty"`
	Truncated   bool     `dynamodbav:"truncated,omitempty"`
	Error       string   `dynamodbav:"error,omitempty"`
	Connections []string `dynamodbav:"connections,omitempty"`
}

type findingItem struct {
	ID       string     `dynamodbav:"id"`
	Type     string     `dynamodbav:"type"`
	Severity float64    `dynamodbav:"severity"`
	Seen     *time.Time `dynamodbav:"seen,omitempty"`
}

type peerItem struct {
	Address    string     `dynamodbav:"address"`
	Direction  string     `dynamodbav:"direction"`
	Protocol   string     `dynamodbav:"protocol,omitempty"`
	LocalPort  int        `dynamodbav:"localPort,omitempty"`
	RemotePort int        `dynamodbav:"remotePort,omitempty"`
	Interface  string     `dynamodbav:"interface,omitempty"`
	Severity   float64    `dynamodbav:"severity,omitempty"`
	Seen       *time.Time `dynamodbav:"seen,omitempty"`
	From       string     `dynamodbav:"from,omitempty"`
}

type stepItem struct {
	ID        string     `dynamodbav:"id"`
	Kind      string     `dynamodbav:"kind"`
	Resource  string     `dynamodbav:"resource"`
	Name      string     `dynamodbav:"name,omitempty"`
	State     string     `dynamodbav:"state"`
	Note      string     `dynamodbav:"note,omitempty"`
	Until     *time.Time `dynamodbav:"until,omitempty"`
	Before    []string   `dynamodbav:"before,omitempty"`
	After     []string   `dynamodbav:"after,omitempty"`
	VPC       string     `dynamodbav:"vpc,omitempty"`
	Direction string     `dynamodbav:"direction,omitempty"`
	Number    int        `dynamodbav:"number,omitempty"`
	Prefix    string     `dynamodbav:"prefix,omitempty"`
}

type exposureItem struct {
	Kind   string `dynamodbav:"kind"`
	Detail string `dynamodbav:"detail"`
}

type slotItem struct {
	header
	VPC       string     `dynamodbav:"vpc"`
	ACL       string     `dynamodbav:"acl"`
	Direction string     `dynamodbav:"direction"`
	Number    int        `dynamodbav:"number"`
	Prefix    string     `dynamodbav:"prefix"`
	Holders   []string   `dynamodbav:"holders,stringset"`
	State     string     `dynamodbav:"state"`
	Since     *time.Time `dynamodbav:"since"`
}

type eventItem struct {
	header
	Instance string     `dynamodbav:"instance"`
	Time     *time.Time `dynamodbav:"time"`
	ID       string     `dynamodbav:"id"`
	Verdict  string     `dynamodbav:"verdict"`
	Reason   string     `dynamodbav:"reason"`
	Finding  string     `dynamodbav:"finding,omitempty"`
	Request  string     `dynamodbav:"request,omitempty"`
	Changes  []string   `dynamodbav:"changes,omitempty"`
}

// A pointerItem says that an instance has an open containment.
type pointerItem struct {
	header
	Instance   string `dynamodbav:"instance"`
	Generation int    `dynamodbav:"generation"`
}

type guardItem struct {
	header
	Count int `dynamodbav:"count"`
}
